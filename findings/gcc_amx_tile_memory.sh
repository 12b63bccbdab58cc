#!/usr/bin/env bash
# GCC 12.2: the intrinsics of AMX do not tell the compiler which memory they read. _tile_loadd names no memory at all and
# _tile_loadconfig the first 8 of its 64 bytes, so that at -O2 a buffer filled just before is passed on unfilled: the stores
# are gone from the assembly. No warning; the processor is not needed to see it. A barrier, asm volatile("" ::: "memory"),
# before either keeps them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=12.2.0-14+deb12u1
apt-get -o APT::Sandbox::User=root download -qq "cpp-12=$version" "libgcc-12-dev=$version" libisl23=0.25-1.1 libmpc3=1.3.1-1 libmpfr6=4.2.0-1 libgmp10=2:6.2.1+dfsg1-1.1
for package in *.deb; do dpkg-deb -x "$package" root; done
gcc=root/usr/lib/gcc/x86_64-linux-gnu/12

cat > tiles.c <<'C'
#define _IMMINTRIN_H_INCLUDED  /* only the tiles, without the C library that the other headers want */
#include <amxtileintrin.h>
#ifdef BARRIER
#define FILLED __asm__ volatile("" ::: "memory")
#else
#define FILLED
#endif
void load(const unsigned char *from) {
  unsigned char rows[16 * 64];
  for (int i = 0; i < 16 * 64; ++i) rows[i] = from[i] ^ 128;
  FILLED;
  _tile_loadd(0, rows, 64);
}
void configure(void) {
  unsigned char shapes[64] = {1};
  shapes[16] = 64;
  shapes[48] = 16;
  FILLED;
  _tile_loadconfig(shapes);
}
C

compiled() { # function, options
  LD_LIBRARY_PATH="root/usr/lib/x86_64-linux-gnu" "$gcc/cc1" -quiet -O2 -Wall -Wextra -mamx-tile -isystem "$gcc/include" "${@:2}" tiles.c -o tiles.s
  awk -v name="$1:" '$0 == name { on = 1 } on && /\.cfi_endproc/ { exit } on' tiles.s | grep -vE '^\s*[.#]'
}
stores() { grep -cE '^\s*mov[a-z]*\s+\S.*,\s*[-0-9]*\(%r' || true; }

echo "cpp-12 $version"
echo "load, as the intrinsic is:"; compiled load
echo "configure, as the intrinsic is:"; compiled configure
reads=$(compiled load | grep -c '(%rdi' || true)
echo "load reads its argument $reads times; with a barrier $(compiled load -DBARRIER | grep -c '(%rdi' || true) times"
test "$reads" = 0
test "$(compiled load -DBARRIER | grep -c '(%rdi')" -gt 0
plain=$(compiled configure | stores) barrier=$(compiled configure -DBARRIER | stores)
echo "configure stores $plain times; with a barrier $barrier times"
! compiled configure | grep -qE 'movb\s+\$64'
compiled configure -DBARRIER | grep -qE 'movb\s+\$64'
echo "seen as described"
