#!/bin/sh
# SPDX-License-Identifier: MIT
# Takes the debug information out of $1: the program goes to $2, the debug file to $3.
set -eu
objcopy --only-keep-debug "$1" "$3"
objcopy --strip-all --add-gnu-debuglink="$3" "$1" "$2"
