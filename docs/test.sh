#!/usr/bin/env bash
# Runs every command of the book with the program of the checkout (or REPSIM), and checks outputs, pictures and links.
# docs/test.sh [PART OF A PAGE'S NAME]…
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/tools/book.py" test "$@"
