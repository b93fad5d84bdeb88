#!/usr/bin/env bash
# The crawler against the real MediaWiki on loopback: parse, revisions, categories, redirects, missing pages.
# Needs Debian's mediawiki, php-cli, php-sqlite3, php-mbstring, php-xml and php-intl; nothing is fetched from the network.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(realpath -s "${PYTHON:-$root/.venv/bin/python}")
port=${PORT:-8098}
wiki=/usr/share/mediawiki
[ -f "$wiki/maintenance/install.php" ] && command -v php >/dev/null || {
  echo "apt-get install --no-install-recommends mediawiki php-cli php-sqlite3 php-mbstring php-xml php-intl" >&2
  exit 2
}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
export EMBEDKIT_CACHE="$work/cache"

step() { printf '\n== %s\n' "$*"; }

step "a wiki of its own in SQLite"
mkdir "$work/wiki" "$work/data"
cp -rL "$wiki"/. "$work/wiki" 2>/dev/null || true
rm -f "$work/wiki/LocalSettings.php"
php "$work/wiki/maintenance/install.php" --dbtype sqlite --dbpath "$work/data" --dbname wiki --scriptpath "" \
  --server "http://127.0.0.1:$port" --pass "$(head -c 12 /dev/urandom | base64)x9" "Test wiki" Admin >"$work/install.log" 2>&1 ||
  { tail -20 "$work/install.log" >&2; exit 1; }
cat >>"$work/wiki/LocalSettings.php" <<'SETTINGS'
$wgRightsUrl = "https://creativecommons.org/licenses/by-sa/4.0/";
$wgRightsText = "Creative Commons Attribution-ShareAlike";
$wgJobRunRate = 0;
SETTINGS

edit() { php "$work/wiki/maintenance/edit.php" --user Admin "$1" >>"$work/edit.log" 2>&1; }
step "pages"
python3 - "$work" <<'PAGES'
import pathlib, sys
work = pathlib.Path(sys.argv[1])
(work / "pages").mkdir()
for number in range(502):
    terms = "".join(f"; Term {number}-{i}\n: What the reader should know about part {i} of subject {number}.\n" for i in range(4))
    (work / "pages" / f"Glossary of subject {number}.txt").write_text(f"A glossary.\n\n{terms}\n[[Category:Glossaries of tests]]\n")
PAGES
php "$work/wiki/maintenance/importTextFiles.php" --user Admin "$work"/pages/*.txt >>"$work/edit.log" 2>&1
echo '#REDIRECT [[Glossary of subject 0]]' | edit "Old name"
php "$work/wiki/maintenance/runJobs.php" >>"$work/edit.log" 2>&1
php "$work/wiki/maintenance/rebuildall.php" >>"$work/edit.log" 2>&1 || true

step "PHP's own server"
(cd "$work/wiki" && exec php -S "127.0.0.1:$port" >"$work/server.log" 2>&1) &
server=$!
for _ in $(seq 50); do curl -fs "http://127.0.0.1:$port/api.php?action=query&format=json" >/dev/null && break; sleep 0.2; done

cd "$work"
api="http://127.0.0.1:$port/api.php"
crawl() { "$python" -m embedkit crawl --api "$api" --allow-private "127.0.0.1:$port" --json "$@"; }
# The value of a Python expression over the report `r`, which has to be true.
holds() { "$python" -c "import json,sys; r=json.load(open(sys.argv[1])); assert eval(sys.argv[2]), (sys.argv[2], r)" "$@"; echo "ok: $2"; }

step "parse and licence"
crawl --title "Glossary_of_subject 7" >one.json 2>one.err
holds one.json 'r["sources"][0]["terms"] == 4'
holds one.json 'r["sources"][0]["revision"].isdigit()'
holds one.json 'r["sources"][0]["license"] == "CC BY-SA 4.0"'
grep -q 'CC BY-SA 4.0' data/NOTICE.md && echo "ok: NOTICE.md"

step "redirects and normalised titles"
crawl --title "old_name" --output moved.csv >moved.json 2>moved.err
holds moved.json 'r["sources"][0]["title"] == "Glossary of subject 0"'

step "a category of 502 pages: two answers, the second by continuation"
crawl --category "Glossaries of tests" --output all.csv >all.json 2>all.err
holds all.json 'len(r["sources"]) == 502 and r["rows"] == 2008 and r["requests"] <= 2 + 502 + 1'

step "an unchanged crawl of 50 titles costs one request"
titles=(); for number in $(seq 0 49); do titles+=(--title "Glossary of subject $number"); done
crawl "${titles[@]}" --output fifty.csv >fifty.json 2>fifty.err
holds fifty.json 'r["requests"] == 1 and r["rows"] == 200'

step "an edit costs one request more"
printf '; New term\n: A line that was not there before.\n; Another\n: And a second one beside it.\n' | edit "Glossary of subject 3"
crawl "${titles[@]}" --output fifty.csv --force --diff fifty.csv >edited.json 2>edited.err
holds edited.json 'r["requests"] == 2 and r["diff"]["added"] == ["New term", "Another"]'

step "a missing page"
set +e
crawl --title "No such page" --output none.csv 2>none.err
code=$?
set -e
[ "$code" = 2 ] && grep -q "doesn't exist" none.err && [ ! -e none.csv ] && echo "ok: exit 2, one message"
step "all right"
