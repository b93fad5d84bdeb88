# embedkit on a CPU, as a user without rights: the demo by default, any command by its words.
#   docker build --tag embedkit .
#   docker run --rm --volume embedkit:/work embedkit
#   docker run --rm --volume embedkit:/work --publish 8000:8000 embedkit serve --model runs/demo --host 0.0.0.0 --port 8000
FROM python:3.11.15-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11.15-slim-bookworm
ENV EMBEDKIT_CACHE=/work/.cache \
    HF_HUB_OFFLINE=1 \
    PYTHONUNBUFFERED=1
# constraints.txt pins the torch whose wheel for a CPU is no larger than it has to be.
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    wheel=$(echo /wheels/embedkit_toolkit-*.whl) && \
    python -m pip install --no-cache-dir --constraint /tmp/constraints.txt "${wheel}[train,demo,report,serve]" && \
    rm /tmp/constraints.txt && \
    useradd --create-home --uid 10001 embedkit && \
    install --directory --owner embedkit --group embedkit /work
USER 10001
WORKDIR /work
VOLUME /work
EXPOSE 8000
ENTRYPOINT ["embedkit"]
CMD ["demo"]
