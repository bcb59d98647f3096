// Files that are written whole or not at all, whatever stands at their path and whoever writes at the same time.
#include "tapeloom/runtime/files/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "catch.h"
#include "files.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/number_array.h"
#include "tapeloom/runtime/files/safetensors.h"

using namespace tapeloom;
using namespace tapeloom::test;
using runtime::read_file;
using runtime::write_file;

namespace {

namespace fs = std::filesystem;

/// An empty directory of this name.
fs::path empty_directory(const std::string& name) {
  fs::remove_all(name);
  fs::create_directory(name);
  return name;
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

mode_t mode_of(const fs::path& path) {
  struct stat about {};
  REQUIRE(stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

/// Numbers of which each copy can be told from the others, and a torn one from a whole one.
std::string content(char which) { return std::string(100'000, which); }
bool is_whole(const std::string& bytes) {
  return bytes.size() == content('a').size() && bytes.find_first_not_of(bytes[0]) == bytes.npos;
}

/// While it lives root is somebody else, who may neither write what is not theirs nor replace files of the machine.
class NotRoot {
 public:
  NotRoot() {
    if (was_root_) REQUIRE(seteuid(65534) == 0);  // nobody
  }
  ~NotRoot() {
    if (was_root_ && seteuid(0) != 0) std::abort();
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  const bool was_root_ = geteuid() == 0;
};

/// Bytes a file may have while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("write file: a new file, and an old one replaced, with nothing beside them") {
  const fs::path directory = empty_directory("plain");
  const std::string path = directory / "file";
  write_file(path, "one");
  CHECK(read_file(path) == "one");
  write_file(path, "");
  CHECK(read_file(path).empty());
  write_file(path, content('x'));
  CHECK(read_file(path) == content('x'));
  CHECK(names_in(directory) == std::vector<std::string>{"file"});
  // As open() makes them.
  const mode_t mask = umask(022);
  write_file(directory / "new", "new");
  umask(mask);
  CHECK(mode_of(directory / "new") == 0644);
}

TEST_CASE("write file: two writers of one path leave whole files, and readers see none that is torn") {
  const fs::path directory = empty_directory("writers");
  const std::string path = directory / "file";
  write_file(path, content('0'));
  std::atomic<bool> stop = false;
  std::size_t reads = 0, torn = 0;
  {
    std::vector<std::jthread> writers;
    for (const char which : {'a', 'b', 'c'}) {
      writers.emplace_back([&, which] {
        while (!stop) write_file(path, content(which));
      });
    }
    for (; reads < 1000; ++reads) torn += !is_whole(read_file(path));
    stop = true;
  }
  CHECK(torn == 0);
  CHECK(is_whole(read_file(path)));
  CHECK(names_in(directory) == std::vector<std::string>{"file"});
}

TEST_CASE("write file: a writer that is killed leaves the old file or the new one") {
  const fs::path directory = empty_directory("killed");
  const std::string path = directory / "file";
  write_file(path, content('0'));
  for (int round = 0; round < 30; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (char which = 'a';; which = which == 'z' ? 'a' : static_cast<char>(which + 1)) {
        write_file(path, content(which));
      }
    }
    REQUIRE(child > 0);
    usleep(static_cast<useconds_t>(500 + 700 * round));
    REQUIRE(kill(child, SIGKILL) == 0);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    CHECK(is_whole(read_file(path)));
    write_file(path, content('0'));  // nor does it stand in the way of the next
    CHECK(read_file(path) == content('0'));
  }
  for (const std::string& name : names_in(directory)) {
    INFO(name);
    CHECK((name == "file" || name.starts_with(".tapeloom-")));
  }
}

TEST_CASE("write file: an old file's mode is kept, and nobody else may read the new one meanwhile") {
  const fs::path directory = empty_directory("modes");
  const std::string path = directory / "file";
  for (const mode_t mode : {0600, 0640, 0644, 0666, 0755}) {
    write_bytes(path, "old");
    REQUIRE(chmod(path.c_str(), mode) == 0);
    write_file(path, "new");
    CHECK(mode_of(path) == mode);
    CHECK(read_file(path) == "new");
  }
}

TEST_CASE("write file: a file that may not be written is not replaced, though its directory could be changed") {
  const fs::path directory = empty_directory("forbidden");
  const std::string path = directory / "file";
  write_bytes(path, "old");
  REQUIRE(chmod(path.c_str(), 0444) == 0);
  REQUIRE(chmod(directory.c_str(), 0777) == 0);
  {
    const NotRoot not_root;
    CHECK_THROWS_SAYING(DataError, "cannot write: Permission denied", write_file(path, "no"));
  }
  CHECK(read_file(path) == "old");
  CHECK(names_in(directory) == std::vector<std::string>{"file"});
}

TEST_CASE("write file: an old file's owner and group are kept", "[root]") {
  const fs::path directory = empty_directory("owners");
  const std::string path = directory / "file";
  write_bytes(path, "old");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  // Numbers that need not be anybody's; a container's root may lack them.
  if (geteuid() != 0 || chown(path.c_str(), 12, 34) != 0) SKIP_CASE("only root can give files away");
  write_file(path, "new");
  struct stat about {};
  REQUIRE(stat(path.c_str(), &about) == 0);
  CHECK(about.st_uid == 12);
  CHECK(about.st_gid == 34);
  CHECK(mode_of(path) == 0640);
  fs::remove_all(directory);
}

TEST_CASE("write file: through a symbolic link it is the file behind that is written") {
  const fs::path directory = empty_directory("links");
  fs::create_directory(directory / "deep");
  const std::string file = directory / "deep/file", link = directory / "link", twice = directory / "deep/twice";
  write_bytes(file, "old");
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  fs::create_symlink("deep/file", link);
  fs::create_symlink(fs::absolute(link), twice);
  write_file(link, "by a relative link");
  CHECK(read_file(file) == "by a relative link");
  write_file(twice, "by two links");
  CHECK(read_file(file) == "by two links");
  CHECK(fs::is_symlink(link));
  CHECK(fs::is_symlink(twice));
  CHECK(mode_of(file) == 0600);
  // One that leads nowhere yet.
  fs::create_symlink("deep/later", directory / "dangling");
  write_file(directory / "dangling", "there now");
  CHECK(read_file(directory / "deep/later") == "there now");
  CHECK(fs::is_symlink(directory / "dangling"));
  fs::create_symlink("loop", directory / "loop");
  CHECK_THROWS_SAYING(DataError, "links/loop: cannot write: Too many levels", write_file(directory / "loop", "no"));
  CHECK(names_in(directory / "deep") == std::vector<std::string>{"file", "later", "twice"});
  CHECK(names_in(directory) == std::vector<std::string>{"dangling", "deep", "link", "loop"});
}

TEST_CASE("write file: links under the names of temporary files of before are not followed") {
  const fs::path directory = empty_directory("planted");
  write_bytes(directory / "victim", "precious");
  fs::create_symlink("victim", directory / "file.part");
  write_file(directory / "file", "new");
  CHECK(read_file(directory / "victim") == "precious");
  CHECK(names_in(directory) == std::vector<std::string>{"file", "file.part", "victim"});
}

TEST_CASE("write file: pipes and devices are written to directly") {
  const fs::path directory = empty_directory("pipes");
  const std::string pipe = directory / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::string got;
  {
    const std::jthread reader([&] { got = read_file(pipe); });
    write_file(pipe, content('p'));
  }
  CHECK(got == content('p'));
  CHECK(fs::is_fifo(pipe));
  {
    const NotRoot not_root;  // or these would be lost for the machine where they are replaced like files
    REQUIRE(fs::is_character_file("/dev/null"));
    write_file("/dev/null", "nothing");
    CHECK(fs::is_character_file("/dev/null"));
    REQUIRE(fs::is_character_file("/dev/full"));
    CHECK_THROWS_SAYING(DataError, "/dev/full: cannot write: No space left", write_file("/dev/full", "nothing"));
  }
  // A reader that goes away is an error, and no signal that ends the process.
  const int leaving = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  std::string said;
  {
    const std::jthread writer(
        [&] { said = message_of<DataError>([&] { write_file(pipe, std::string(1 << 20, 'x')); }); });
    char first = 0;
    while (read(leaving, &first, 1) != 1) usleep(1000);
    close(leaving);
  }
  CHECK(contains(said, "pipes/pipe: cannot write: Broken pipe"));
  // What a link of /proc leads to may have no name.
  const int open_file = open((directory / "nameless").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  write_file("/proc/self/fd/" + std::to_string(open_file), "first");
  fs::remove(directory / "nameless");
  write_file("/proc/self/fd/" + std::to_string(open_file), "second");
  char bytes[16] = {};
  CHECK(pread(open_file, bytes, sizeof bytes, 0) == 6);
  CHECK(std::string(bytes) == "second");
  close(open_file);
  CHECK(names_in(directory) == std::vector<std::string>{"pipe"});
}

TEST_CASE("write file: names of up to 255 bytes, and paths of up to 4095, are written") {
  const fs::path directory = empty_directory("long");
  for (const std::size_t length : {1, 240, 250, 251, 252, 253, 254, 255}) {
    const std::string path = directory / std::string(length, 'n');
    write_file(path, "one");
    write_file(path, "two");
    CHECK(read_file(path) == "two");
    CHECK(fs::remove(path));
  }
  CHECK_THROWS_SAYING(DataError, "cannot write: File name too long", write_file(directory / std::string(256, 'n'), ""));
  std::string deep = directory;
  while (deep.size() < 3800) deep += "/" + std::string(200, 'd');
  fs::create_directories(deep);
  const std::string longest = deep + "/" + std::string(std::min<std::size_t>(255, 4094 - deep.size()), 'f');
  write_file(longest, "far down");
  CHECK(read_file(longest) == "far down");
  fs::remove_all(directory / std::string(200, 'd'));
  CHECK(names_in(directory).empty());
}

TEST_CASE("write file: a NUL in a path is refused, in reading too") {
  const fs::path directory = empty_directory("nul");
  write_bytes(directory / "file", "precious");
  const std::string path = std::string(directory / "file") + std::string(1, '\0') + ".npy";
  const std::string what = "nul/file\\0.npy: there is a NUL in this path";
  CHECK_THROWS_SAYING(DataError, what, write_file(path, "new"));
  CHECK_THROWS_SAYING(DataError, what, read_file(path));
  CHECK_THROWS_SAYING(DataError, what, read_npy<float>(path));
  CHECK_THROWS_SAYING(DataError, what, read_safetensors(path));
  CHECK_THROWS_SAYING(DataError, what, write_safetensors(path, {}));
  CHECK(read_file(directory / "file") == "precious");
  CHECK(names_in(directory) == std::vector<std::string>{"file"});
}

TEST_CASE("write file: after an error the old file is there, and nothing else") {
  const fs::path directory = empty_directory("errors");
  const std::string path = directory / "file";
  write_file(path, "old");
  {
    const FileSizeLimit limit(4096);
    CHECK_THROWS_SAYING(DataError, "errors/file: cannot write: File too large", write_file(path, content('x')));
    CHECK_THROWS_SAYING(DataError, "errors/new: cannot write: File too large",
                        write_file(directory / "new", content('x')));
  }
  CHECK(read_file(path) == "old");
  fs::create_directory(directory / "folder");
  CHECK_THROWS_SAYING(DataError, "errors/folder: cannot write: Is a directory", write_file(directory / "folder", "x"));
  CHECK_THROWS_SAYING(DataError, "cannot write: No such file", write_file(directory / "none/file", "x"));
  CHECK_THROWS_SAYING(DataError, "cannot write: Not a directory", write_file(path + "/file", "x"));
  CHECK_THROWS_SAYING(DataError, "cannot write: No such file", write_file("", "x"));
  CHECK_THROWS_SAYING(DataError, "cannot write: No such file", write_file(directory / "none/", "x"));
  CHECK(names_in(directory) == std::vector<std::string>{"file", "folder"});
}
