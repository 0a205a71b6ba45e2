// SPDX-License-Identifier: Apache-2.0
// The grammar of config.toml (man/trefoil.toml.5), strictly: a key that is
// not known is an error, so that a typing error never means a default.
//
//   format = 1                  # refused when it is newer than ours
//   detached = false            # optional
//   [journal] capacity = "4GiB" # or a number of bytes
//   [commit]  interval_seconds = 5
//   [encryption] key_command = "..." or passphrase_file = "/..."
//   [scrub]   days = 30, rate = "32MiB", offsite_per_day = "10GiB"
//   [[target]] name, url, and kTargetKeys
#include "fs/volume/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <set>
#include <span>
#include <utility>

namespace trefoil {
namespace {

constexpr int64_t kConfigFormat = 1;
constexpr uint64_t kMaxConfigBytes = 1U << 20;
constexpr size_t kMaxTargets = 16;
constexpr size_t kMaxTargetNameBytes = 63;
constexpr uint64_t kMinJournalBytes = 16ULL << 20;
constexpr uint64_t kMaxJournalBytes = 1ULL << 40;
constexpr int64_t kMaxCommitIntervalSeconds = 3600;
constexpr int64_t kMaxScrubDays = 3650;
constexpr uint64_t kMinScrubBytes = 64ULL << 10;

using Names = std::span<const std::string_view>;
constexpr std::array<std::string_view, 7> kTopKeys = {
    "commit", "detached", "encryption", "format", "journal", "scrub", "target"};
constexpr std::array<std::string_view, 1> kJournalKeys = {"capacity"};
constexpr std::array<std::string_view, 1> kCommitKeys = {"interval_seconds"};
constexpr std::array<std::string_view, 2> kEncryptionKeys = {"key_command",
                                                             "passphrase_file"};
constexpr std::array<std::string_view, 3> kScrubKeys = {"days", "rate",
                                                        "offsite_per_day"};
// How a target is reached and kept, then what init found out about it.
constexpr std::array<std::string_view, 11> kTargetKeys = {"name",
                                                          "url",
                                                          "region",
                                                          "path_style",
                                                          "profile",
                                                          "ca_file",
                                                          "allow_plain_http",
                                                          "credentials_file",
                                                          "grace_minutes",
                                                          "conditional_put",
                                                          "probed"};

// Names that commands use for something else.
constexpr std::array<std::string_view, 2> kReservedNames = {"all", "primary"};

// The number of single-character edits between two short words.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1,
                         diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string Hint(std::string_view key, Names known) {
  constexpr size_t kLikely = 3;  // more edits are another word
  constexpr size_t kMaxWord = 64;
  if (key.size() > kMaxWord) return "";
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
        return EditDistance(key, a) < EditDistance(key, b);
      });
  if (EditDistance(key, *nearest) > kLikely) {
    return fmt::format("; known here: {}", fmt::join(known, ", "));
  }
  return fmt::format("; did you mean '{}'?", *nearest);
}

// "4GiB" and the like; nothing when it is no size.
std::optional<uint64_t> ParseSize(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 4> kUnits =
      {{{"KiB", 1ULL << 10},
        {"MiB", 1ULL << 20},
        {"GiB", 1ULL << 30},
        {"TiB", 1ULL << 40}}};
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size());
  for (const auto& [name, bytes] : kUnits) {
    if (unit != name) continue;
    if (number > std::numeric_limits<uint64_t>::max() / bytes) break;
    return number * bytes;
  }
  return std::nullopt;
}

std::string FormatSize(uint64_t bytes) {
  if (bytes % (1ULL << 30) == 0) return fmt::format("\"{}GiB\"", bytes >> 30);
  if (bytes % (1ULL << 20) == 0) return fmt::format("\"{}MiB\"", bytes >> 20);
  return std::to_string(bytes);
}

bool IsTargetName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTargetNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

// Reads one file; every error names it and the line.
class ConfigReader {
 public:
  explicit ConfigReader(std::string path) : path_(std::move(path)) {}

  Result<VolumeConfig> Read(const toml::table& top) {
    TREFOIL_TRY(CheckFormat(top));
    TREFOIL_TRY(CheckKeys(top, kTopKeys));
    VolumeConfig config;
    if (const toml::node* detached = top.get("detached")) {
      const auto value = detached->value_exact<bool>();
      if (!value) return At(*detached, "'detached' must be true or false");
      config.detached = *value;
    }
    TREFOIL_TRY(ReadJournal(top, &config));
    TREFOIL_TRY(ReadCommit(top, &config));
    TREFOIL_TRY(ReadEncryption(top, &config));
    TREFOIL_TRY(ReadScrub(top, &config));
    TREFOIL_TRY(ReadTargets(top, &config));
    return config;
  }

  Status AtLine(toml::source_index line, std::string_view what) const {
    return {StatusCode::kInvalidArgument,
            fmt::format("{}:{}: {}", path_, line, what)};
  }

 private:
  Status At(const toml::node& node, std::string_view what) const {
    return AtLine(node.source().begin.line, what);
  }

  Status CheckFormat(const toml::table& top) const {
    const toml::node* format = top.get("format");
    if (format == nullptr) return AtLine(1, "'format = 1' is missing");
    const auto value = format->value_exact<int64_t>();
    if (!value || *value < 1) return At(*format, "'format' must be 1");
    if (*value > kConfigFormat) {
      return {StatusCode::kNewerFormat,
              fmt::format("{}:{}: format {} is newer than this trefoil "
                          "understands ({}); install a newer one",
                          path_, format->source().begin.line, *value,
                          kConfigFormat)};
    }
    return OkStatus();
  }

  Status CheckKeys(const toml::table& table, Names known) const {
    for (const auto& [key, node] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) {
        continue;
      }
      return AtLine(
          key.source().begin.line,
          fmt::format("unknown key '{}'{}", key.str(), Hint(key.str(), known)));
    }
    return OkStatus();
  }

  // The table `name` of `top`, when it is there.
  Result<const toml::table*> Section(const toml::table& top,
                                     std::string_view name, Names known) const {
    const toml::node* node = top.get(name);
    if (node == nullptr) return static_cast<const toml::table*>(nullptr);
    const toml::table* table = node->as_table();
    if (table == nullptr) {
      return At(*node, fmt::format("'{0}' must be a table: [{0}]", name));
    }
    TREFOIL_TRY(CheckKeys(*table, known));
    return table;
  }

  static std::optional<uint64_t> SizeOf(const toml::node& node) {
    if (const auto text = node.value_exact<std::string_view>()) {
      return ParseSize(*text);
    }
    const auto number = node.value_exact<int64_t>();
    if (!number || *number <= 0) return std::nullopt;
    return static_cast<uint64_t>(*number);
  }

  Status ReadScrub(const toml::table& top, VolumeConfig* config) const {
    TREFOIL_ASSIGN(const toml::table* scrub, Section(top, "scrub", kScrubKeys));
    if (scrub == nullptr) return OkStatus();
    if (const toml::node* node = scrub->get("days")) {
      const auto days = node->value_exact<int64_t>();
      if (!days || *days < 0 || *days > kMaxScrubDays) {
        return At(*node, "'days' must be a whole number from 0 to 3650");
      }
      config->scrub_days = *days;
    }
    for (const auto& [name, bytes] :
         {std::pair("rate", &config->scrub_bytes_per_second),
          std::pair("offsite_per_day", &config->scrub_offsite_bytes_per_day)}) {
      const toml::node* node = scrub->get(name);
      if (node == nullptr) continue;
      const std::optional<uint64_t> size = SizeOf(*node);
      if (!size || *size < kMinScrubBytes) {
        return At(*node, fmt::format("'{}' must be a size from \"64KiB\" on, "
                                     "or as many bytes",
                                     name));
      }
      *bytes = *size;
    }
    return OkStatus();
  }

  Status ReadJournal(const toml::table& top, VolumeConfig* config) const {
    TREFOIL_ASSIGN(const toml::table* journal,
                   Section(top, "journal", kJournalKeys));
    if (journal == nullptr) return OkStatus();
    const toml::node* node = journal->get("capacity");
    if (node == nullptr) return OkStatus();
    const std::optional<uint64_t> bytes = SizeOf(*node);
    if (!bytes || *bytes < kMinJournalBytes || *bytes > kMaxJournalBytes) {
      return At(*node,
                "'capacity' must be a size from \"16MiB\" to \"1TiB\", or as "
                "many bytes");
    }
    config->journal_capacity_bytes = *bytes;
    return OkStatus();
  }

  Status ReadCommit(const toml::table& top, VolumeConfig* config) const {
    TREFOIL_ASSIGN(const toml::table* commit,
                   Section(top, "commit", kCommitKeys));
    if (commit == nullptr) return OkStatus();
    const toml::node* node = commit->get("interval_seconds");
    if (node == nullptr) return OkStatus();
    const auto seconds = node->value_exact<int64_t>();
    if (!seconds || *seconds < 1 || *seconds > kMaxCommitIntervalSeconds) {
      return At(*node,
                "'interval_seconds' must be a whole number from 1 to 3600");
    }
    config->commit_interval_seconds = *seconds;
    return OkStatus();
  }

  Status ReadEncryption(const toml::table& top, VolumeConfig* config) const {
    TREFOIL_ASSIGN(const toml::table* encryption,
                   Section(top, "encryption", kEncryptionKeys));
    if (encryption == nullptr) return OkStatus();
    for (const auto& [key, node] : *encryption) {
      const auto text = node.value_exact<std::string>();
      const bool is_command = key.str() == "key_command";
      if (!text || text->empty() || (!is_command && text->front() != '/')) {
        return At(node,
                  fmt::format("'{}' must be {}", key.str(),
                              is_command ? "a command" : "an absolute path"));
      }
      (is_command ? config->key_command : config->passphrase_file) = *text;
    }
    if (!config->key_command.empty() && !config->passphrase_file.empty()) {
      return At(*encryption,
                "either 'key_command' or 'passphrase_file', not both");
    }
    return OkStatus();
  }

  Status ReadTargets(const toml::table& top, VolumeConfig* config) const {
    const toml::node* node = top.get("target");
    if (node == nullptr) return OkStatus();
    const toml::array* targets = node->as_array();
    if (targets == nullptr) {
      return At(*node, "targets are written as [[target]]");
    }
    std::set<std::string> names;
    for (const toml::node& entry : *targets) {
      TREFOIL_ASSIGN(TargetSettings target, ReadTarget(entry));
      if (!names.insert(target.name).second) {
        return At(entry, fmt::format("a second target '{}'", target.name));
      }
      config->targets.push_back(std::move(target));
      if (config->targets.size() > kMaxTargets) {
        return At(entry, fmt::format("more than {} targets", kMaxTargets));
      }
    }
    return OkStatus();
  }

  Result<TargetSettings> ReadTarget(const toml::node& entry) const {
    const toml::table* table = entry.as_table();
    if (table == nullptr) return At(entry, "a target is a [[target]] table");
    TREFOIL_TRY(CheckKeys(*table, kTargetKeys));
    TargetSettings target;
    for (const auto& [key, node] : *table) {
      TREFOIL_ASSIGN(std::string text, OptionText(node, key.str()));
      if (key.str() == "name") {
        target.name = std::move(text);
      } else if (key.str() == "url") {
        target.url = std::move(text);
      } else {
        target.options[std::string(key.str())] = std::move(text);
      }
    }
    const Status named = CheckTargetName(target.name);
    if (!named.ok()) return At(entry, named.message());
    if (target.url.empty()) {
      return At(entry, fmt::format("target '{}' has no 'url'", target.name));
    }
    return target;
  }

  Result<std::string> OptionText(const toml::node& node,
                                 std::string_view key) const {
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto flag = node.value_exact<bool>()) {
      return std::string(*flag ? "true" : "false");
    }
    if (const auto number = node.value_exact<int64_t>()) {
      return std::to_string(*number);
    }
    return At(node,
              fmt::format("'{}' must be a string, a number or a boolean", key));
  }

  const std::string path_;
};

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string OptionToToml(const std::string& value) {
  const bool bare = value == "true" || value == "false";
  return bare ? value : Quoted(value);
}

// Nothing where all is as usual.
std::string ScrubToToml(const VolumeConfig& config) {
  const VolumeConfig usual;
  std::string text;
  if (config.scrub_days != usual.scrub_days) {
    text += fmt::format("days = {}\n", config.scrub_days);
  }
  if (config.scrub_bytes_per_second != usual.scrub_bytes_per_second) {
    text +=
        fmt::format("rate = {}\n", FormatSize(config.scrub_bytes_per_second));
  }
  if (config.scrub_offsite_bytes_per_day != usual.scrub_offsite_bytes_per_day) {
    text += fmt::format("offsite_per_day = {}\n",
                        FormatSize(config.scrub_offsite_bytes_per_day));
  }
  return text.empty() ? text : "\n[scrub]\n" + text;
}

bool Same(const TargetSettings& a, const TargetSettings& b) {
  return a.name == b.name && a.url == b.url && a.options == b.options;
}

}  // namespace

Status CheckTargetName(std::string_view name) {
  if (!IsTargetName(name)) {
    return {StatusCode::kInvalidArgument,
            "a target's 'name' must be 1 to 63 lower-case letters, digits and "
            "'-'"};
  }
  if (std::find(kReservedNames.begin(), kReservedNames.end(), name) ==
      kReservedNames.end()) {
    return OkStatus();
  }
  return {StatusCode::kInvalidArgument,
          fmt::format("a target can't be named '{}'", name)};
}

Result<VolumeConfig> ParseConfig(const std::string& text,
                                 const std::string& path) {
  ConfigReader reader(path);
  try {
    return reader.Read(toml::parse(text, path));
  } catch (const toml::parse_error& error) {
    return reader.AtLine(error.source().begin.line, error.description());
  }
}

std::string ConfigToToml(const VolumeConfig& config) {
  std::string text = fmt::format(
      "# Settings of a Trefoil volume: see trefoil.toml(5).\n"
      "format = {}\n",
      kConfigFormat);
  if (config.detached) {
    text +=
        "# Recovered: nothing is shipped before 'trefoil takeover'.\n"
        "detached = true\n";
  }
  text += fmt::format("\n[journal]\ncapacity = {}\n",
                      FormatSize(config.journal_capacity_bytes));
  text += fmt::format("\n[commit]\ninterval_seconds = {}\n",
                      config.commit_interval_seconds);
  if (!config.key_command.empty()) {
    text += fmt::format("\n[encryption]\nkey_command = {}\n",
                        Quoted(config.key_command));
  } else if (!config.passphrase_file.empty()) {
    text += fmt::format("\n[encryption]\npassphrase_file = {}\n",
                        Quoted(config.passphrase_file));
  }
  text += ScrubToToml(config);
  for (const TargetSettings& target : config.targets) {
    text += fmt::format("\n[[target]]\nname = {}\nurl = {}\n",
                        Quoted(target.name), Quoted(target.url));
    for (const auto& [key, value] : target.options) {
      text += fmt::format("{} = {}\n", key, OptionToToml(value));
    }
  }
  return text;
}

Result<VolumeConfig> LoadConfig(Env& env, const std::string& volume_path) {
  const std::string path = JoinPath(volume_path, "config.toml");
  TREFOIL_ASSIGN(const std::string text, env.ReadFile(path, kMaxConfigBytes));
  return ParseConfig(text, path);
}

Status SaveConfig(Env& env, const std::string& volume_path,
                  const VolumeConfig& config) {
  const std::string path = JoinPath(volume_path, "config.toml");
  const std::string text = ConfigToToml(config);
  // What could not be read again is not written in the first place.
  TREFOIL_ASSIGN(const VolumeConfig read, ParseConfig(text, path));
  if (!std::equal(read.targets.begin(), read.targets.end(),
                  config.targets.begin(), config.targets.end(), Same)) {
    return {StatusCode::kInvalidArgument,
            path + ": a target's settings can't be written as TOML"};
  }
  return env.WriteFileAtomically(path, text);
}

}  // namespace trefoil
