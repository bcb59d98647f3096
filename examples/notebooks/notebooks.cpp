// Walks through the five notebooks that this project comes from, cell by cell where they compute something, and prints
// their numbers. The pictures that they draw are written as SVG, those of graphs as Graphviz text too.
//
//   notebooks [directory for the pictures, by default the current one]
#include <cstdio>
#include <exception>

#include "examples/notebooks/walk.h"

int main(int argc, char** argv) {
  using namespace tapeloom::examples;
  try {
    const Directory pictures = argc > 1 ? argv[1] : ".";
    std::filesystem::create_directories(pictures);
    walk_notebook_000(pictures);
    walk_notebook_001(pictures);
    walk_notebook_002();
    walk_notebook_003(pictures);
    walk_notebook_004(pictures);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "notebooks: %s\n", error.what());
    return 1;
  }
}
