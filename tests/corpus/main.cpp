// program_corpus OUT_DIR: compiles and runs several hundred programs, always the same, and writes down all there is to
// see of each: its text and every result, bit for bit. scripts/corpus.sh compares two revisions by it.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "corpus/corpus.h"

using namespace tapeloom::test::corpus;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: program_corpus OUT_DIR\n", stderr);
    return 2;
  }
  try {
    std::filesystem::create_directories(argv[1]);
    if (!std::filesystem::is_empty(argv[1])) {
      std::fprintf(stderr, "program_corpus: %s is not empty\n", argv[1]);
      return 2;
    }
    Corpus corpus(argv[1]);
    for (const auto add : {add_benches, add_pieces, add_features, add_random_nets, add_fuzz}) {
      add(corpus);
      std::printf("%zu programs\n", corpus.count());
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "program_corpus: %s\n", error.what());
    return 1;
  }
  return 0;
}
