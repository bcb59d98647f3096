// What the C library does with freed memory while something is timed.
#pragma once

#include <malloc.h>

namespace tapeloom::bench {

/// For all that is timed in this process from here on: everybody at its best. glibc puts freed blocks of up to 128
/// bytes on lists, last in, first out, and does not merge them. A program that frees a graph of them after each step,
/// as the closure design does, finds the next one's nodes strewn over the heap, more so with every step until after
/// about ten it takes two to three times as long. Whether that happens depends on what else the process allocates,
/// since a large block that is freed has the lists merged. Here they are merged always; and nothing is given back to
/// the system, whose pages would have to be got again.
inline void tidy_heap() {
#ifdef __GLIBC__
  mallopt(M_MXFAST, 0);
  mallopt(M_TRIM_THRESHOLD, -1);                // the heap's end stays
  mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);  // the most there is: what is smaller is in the heap
#endif
}

}  // namespace tapeloom::bench
