#!/bin/sh
# The binary of an image: the same bytes from the same source by the same compiler, wherever and whenever it is built.
#
#   deploy/build.sh [DIRECTORY]      DIRECTORY/slotd; target/image, if nothing is said
#
# It is that of release/build, with no path of the machine in it and no date; and of what debuggers read it has the names of functions
# alone: a panic in a log still says where.
set -eu
cd "$(dirname "$0")/.."
out=${1:-target/image}
root=$(pwd -P) home=${CARGO_HOME:-$HOME/.cargo}
# What compilers write down of where sources lie, Lua's and mimalloc's included.
export RUSTFLAGS="--remap-path-prefix=$root=/src --remap-path-prefix=$home=/cargo"
export CFLAGS="-ffile-prefix-map=$root=/src -ffile-prefix-map=$home=/cargo"
# Another `debug` or `strip` than Cargo.toml has would give functions other names than those in release/slotd.profdata.
# mimalloc writes down when it was compiled: always this time, whatever the environment says.
export SOURCE_DATE_EPOCH=0 LC_ALL=C
release/build --target-dir "$out/target"
# So debug information is taken out afterwards (binutils).
strip --strip-debug -o "$out/slotd" "$out/target/release/slotd"
sha256sum "$out/slotd"
