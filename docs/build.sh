#!/usr/bin/env bash
# Builds the book into target/book: pictures and reference by the program of the checkout (or REPSIM), pages by mdBook
# (MDBOOK, or the locked version, which is compiled once into target/tools).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.4.52
mdbook=${MDBOOK:-target/tools/bin/mdbook}
if [[ ! -x $mdbook ]]; then
    nice cargo install mdbook --version "$version" --locked --no-default-features --features search --root target/tools
fi

rm -rf target/book-source target/book
mkdir -p target/book-source
cp docs/book.toml target/book-source/
cp -r docs/theme target/book-source/
python3 docs/tools/book.py prepare target/book-source/src
"$mdbook" build target/book-source --dest-dir "$PWD/target/book"
echo "target/book/index.html"
