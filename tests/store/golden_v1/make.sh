#!/usr/bin/env bash
# How this store was made, by holog 0.1.0 as of commit f68148c, which could not read its history yet:
#     golden_v1/make.sh PATH/TO/THAT/holog golden_v1/store
# It stays as it is: what later versions do to it, they do to a copy.
set -euo pipefail
holog=$1
store=$2
save() { # PATH TEXT
    printf '%s' "$2" | "$holog" save --replace --parents "$store" "$1"
}

"$holog" init --segment-size 16K "$store"
save a one                                                # 1
save d/x first                                            # 2
save d/y second                                           # 3
save a two                                                # 4
"$holog" ln "$store" d/x link                             # 5
save large "$(printf '0123456789abcdef%.0s' {1..512})"    # 6
for i in {1..20}; do
    save filler "$i $(printf '%.0s.' {1..900})"           # 7 to 26, in two segments
done
"$holog" mv "$store" d e                                  # 27
save e/x third                                            # 28
"$holog" cp "$store" e f                                  # 29
"$holog" rm -r "$store" e                                 # 30
save a three                                              # 31
rm -rf "$store/chk" "$store/ctl" "$store/LOCK"            # what is not the log
