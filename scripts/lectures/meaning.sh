#!/bin/sh
# Swin, Mixer, and what it all means: the runs of the lecture, one after the other.
# Nothing is asked; PAUSE=10 waits longer between two of them.
set -eu

show() {
    printf '\n$ seqlab %s\n' "$*"
    seqlab "$@"
    sleep "${PAUSE:-3}"
}

# Swin: look around you, not everywhere
show windows
# The shift: strangers become neighbours
show reach --models attention,window,shifted
# Half windows at the border
show windows --at 1
# Does it take attention at all?
show mix
show mix --train --quick
show reach --models rnn,conv,window,shifted,attention,mixer
show cost --no-measure --layers rnn,conv,attention,window,mixer
# Third question: what does it assume?
show bias --test shift --quick
# Equivariant is not invariant
show bias --test permute --quick
