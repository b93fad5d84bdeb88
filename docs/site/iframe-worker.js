// From file:// a browser starts no Worker. Material looks for IFrameWorker and runs its search in a frame instead.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = `<script>
        window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done, failed) => {
          const script = document.createElement("script");
          Object.assign(script, {src: url, onload: done, onerror: failed});
          document.head.append(script);
        })), Promise.resolve());
        window.postMessage = (data) => parent.dispatchEvent(new MessageEvent("${url}", {data}));
      <\/script><script src="${url}"><\/script>`;
      window.addEventListener(url, ({data}) => this.dispatchEvent(new MessageEvent("message", {data})));
      this.ready = new Promise((done) => (frame.onload = done));
      this.frame = frame;
      document.body.append(frame);
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data})));
    }
  };
  window.Worker = window.IFrameWorker;
}
