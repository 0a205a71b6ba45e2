// SPDX-License-Identifier: Apache-2.0
#include "tools/drill_compare.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>

namespace trefoil {
namespace {

constexpr double kNanosPerSecond = 1e9;

const char* TypeName(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    default:
      return "special";
  }
}

// Of what a node of this type holds; zeroes where it holds nothing.
Result<Hash256> HashContent(TreeView& tree, const std::string& path,
                            uint32_t mode, const TreeView::VisitBytes& visit) {
  Sha256 hash;
  const auto add = [&](std::string_view bytes) -> Status {
    hash.Update(bytes);
    return visit(bytes);
  };
  if (S_ISREG(mode)) {
    TREFOIL_TRY(tree.Read(path, add));
  } else if (S_ISLNK(mode)) {
    TREFOIL_ASSIGN(const std::string target, tree.ReadLink(path));
    TREFOIL_TRY(add(target));
  } else if (S_ISDIR(mode)) {
    TREFOIL_ASSIGN(const auto entries, tree.List(path));
    for (const TreeEntry& entry : entries) {
      TREFOIL_TRY(add({entry.name.c_str(), entry.name.size() + 1}));
    }
  } else {
    return Hash256();
  }
  return hash.Finish();
}

std::string Names(const std::map<std::string, std::string>& xattrs) {
  std::string names;
  for (const auto& [name, value] : xattrs) {
    names += (names.empty() ? "" : " ") + name;
  }
  return names.empty() ? "none" : names;
}

// What differs besides the content, in words; empty: nothing.
std::string Differences(const NodeFacts& copy, const NodeFacts& live) {
  std::string text;
  const auto add = [&](const char* what, const auto& theirs, const auto& ours) {
    if (theirs == ours) return;
    text += fmt::format("{}{} {} instead of {}", text.empty() ? "" : ", ", what,
                        theirs, ours);
  };
  add("mode", fmt::format("{:o}", copy.mode), fmt::format("{:o}", live.mode));
  add("owner", copy.uid, live.uid);
  add("group", copy.gid, live.gid);
  add("size", copy.size_bytes, live.size_bytes);
  add("links", copy.nlink, live.nlink);
  add("inode", copy.inode, live.inode);
  add("device", copy.rdev, live.rdev);
  add("mtime", copy.mtime_nanos, live.mtime_nanos);
  add("ctime", copy.ctime_nanos, live.ctime_nanos);
  add("atime", copy.atime_nanos, live.atime_nanos);
  if (live.btime_nanos != 0) add("btime", copy.btime_nanos, live.btime_nanos);
  if (copy.xattrs != live.xattrs) {
    const bool same_names = Names(copy.xattrs) == Names(live.xattrs);
    if (same_names) {
      text += text.empty() ? "" : ", ";
      text += "xattrs of other values";
    } else {
      add("xattrs", Names(copy.xattrs), Names(live.xattrs));
    }
  }
  return text;
}

// One path's comparison, step by step.
class Comparison {
 public:
  Comparison(TreeView& copy, TreeView& live, Clock& clock,
             const CompareOptions& options, const std::string& path)
      : copy_(copy),
        live_(live),
        clock_(clock),
        options_(options),
        path_(path) {
    file_.path = path;
  }

  DrillFile Run() {
    const int64_t begin = clock_.MonotonicNanos();
    const bool read = ReadCopy();
    file_.seconds =
        static_cast<double>(clock_.MonotonicNanos() - begin) / kNanosPerSecond;
    if (read) CompareWithLive();
    return std::move(file_);
  }

 private:
  bool ReadCopy() {
    auto facts = copy_.Look(path_);
    if (!facts.ok()) {
      const bool missing = IsMissing(facts.status());
      return End(missing ? FileVerdict::kMissing : FileVerdict::kUnreadable,
                 missing ? "not in the copy" : facts.status().ToString());
    }
    facts_ = std::move(*facts);
    file_.type = TypeName(facts_.mode);
    file_.size_bytes = facts_.size_bytes;
    const auto hash = HashContent(copy_, path_, facts_.mode,
                                  [this](std::string_view bytes) -> Status {
                                    if (!bytes.empty() && options_.on_byte)
                                      options_.on_byte();
                                    return CheckStop();
                                  });
    if (!hash.ok()) {
      return End(FileVerdict::kUnreadable, hash.status().ToString());
    }
    file_.sha256 = *hash;
    return true;
  }

  void CompareWithLive() {
    const auto live = live_.Look(path_);
    if (!live.ok()) {
      const bool missing = IsMissing(live.status());
      if (!missing) {
        End(FileVerdict::kNotCompared, live.status().ToString());
      } else if (options_.same_state) {
        End(FileVerdict::kDifferent, "not in the live tree");
      } else {
        End(FileVerdict::kChangedSince, "not in the live tree any more");
      }
      return;
    }
    if (!options_.same_state && (live->inode != facts_.inode ||
                                 live->ctime_nanos != facts_.ctime_nanos)) {
      End(FileVerdict::kChangedSince, "changed since the copy's state");
      return;
    }
    const auto hash =
        HashContent(live_, path_, live->mode,
                    [this](std::string_view) { return CheckStop(); });
    if (!hash.ok()) {
      End(FileVerdict::kNotCompared,
          "the live one can't be read: " + hash.status().ToString());
      return;
    }
    std::string text = Differences(facts_, *live);
    if (*hash != file_.sha256) {
      text += fmt::format("{}content, which should have SHA-256 {}",
                          text.empty() ? "" : ", ", hash->ToHex());
    }
    if (!text.empty()) End(FileVerdict::kDifferent, text);
  }

  Status CheckStop() {
    if (!options_.stop || !options_.stop()) return OkStatus();
    return {StatusCode::kUnavailable, "stopped"};
  }
  bool End(FileVerdict verdict, std::string text) {
    file_.verdict = verdict;
    file_.text = std::move(text);
    return false;
  }

  TreeView& copy_;
  TreeView& live_;
  Clock& clock_;
  const CompareOptions& options_;
  const std::string path_;
  NodeFacts facts_;
  DrillFile file_;
};

}  // namespace

const char* VerdictName(FileVerdict verdict) {
  switch (verdict) {
    case FileVerdict::kSame:
      return "same";
    case FileVerdict::kChangedSince:
      return "changed since";
    case FileVerdict::kDifferent:
      return "DIFFERENT";
    case FileVerdict::kMissing:
      return "MISSING";
    case FileVerdict::kUnreadable:
      return "UNREADABLE";
    case FileVerdict::kNotCompared:
      return "NOT COMPARED";
  }
  return "";
}

bool IsError(FileVerdict verdict) {
  return verdict != FileVerdict::kSame && verdict != FileVerdict::kChangedSince;
}

DrillFile CompareFile(TreeView& copy, TreeView& live, Clock& clock,
                      const CompareOptions& options, const std::string& path) {
  return Comparison(copy, live, clock, options, path).Run();
}

std::vector<std::string> WalkTree(
    TreeView& tree,
    const std::function<bool(const std::string& path, bool is_directory)>&
        visit) {
  std::vector<std::string> unlisted;
  std::vector<std::string> directories = {""};
  if (!visit("", true)) directories.clear();
  while (!directories.empty()) {
    const std::string directory = std::move(directories.back());
    directories.pop_back();
    const auto entries = tree.List(directory);
    if (!entries.ok()) {
      unlisted.push_back(directory);
      continue;
    }
    for (const TreeEntry& entry : *entries) {
      std::string path =
          directory.empty() ? entry.name : directory + "/" + entry.name;
      if (!visit(path, entry.is_directory)) return unlisted;
      if (entry.is_directory) directories.push_back(std::move(path));
    }
  }
  return unlisted;
}

// Algorithm R: what is seen as the n-th stays with the chance count / n.
Sample DrawSample(TreeView& tree, uint64_t count, uint64_t seed,
                  const std::function<bool()>& stop) {
  std::mt19937_64 random(seed);
  Sample sample;
  const auto visit = [&](const std::string& path, bool is_directory) {
    if (is_directory) return !stop();
    ++sample.of;
    if (sample.paths.size() < count) {
      sample.paths.push_back(path);
      return true;
    }
    const uint64_t at = random() % sample.of;
    if (at < count) sample.paths[at] = path;
    return true;
  };
  const std::vector<std::string> unlisted = WalkTree(tree, visit);
  sample.paths.insert(sample.paths.end(), unlisted.begin(), unlisted.end());
  std::sort(sample.paths.begin(), sample.paths.end());
  return sample;
}

}  // namespace trefoil
