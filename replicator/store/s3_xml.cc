// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/s3_xml.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <pugixml.hpp>
#include <utility>

namespace trefoil {
namespace {

constexpr size_t kMaxMessageSize = 200;
constexpr size_t kMaxCodeSize = 64;

Status NotAList(const char* what) {
  return {StatusCode::kCorruption,
          std::string("the server's answer is not a list of objects: ") + what};
}

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// Undoes encoding-type=url.
std::optional<std::string> UrlDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = HexDigit(text[i + 1]);
    const auto low = HexDigit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out.push_back(static_cast<char>(*high * 16 + *low));
    i += 2;
  }
  return out;
}

Result<ObjectInfo> ParseEntry(const pugi::xml_node& entry, bool encoded) {
  ObjectInfo info;
  const std::string_view key = entry.child_value("Key");
  const std::optional<std::string> decoded =
      encoded ? UrlDecode(key) : std::string(key);
  if (!decoded || decoded->empty()) return NotAList("an entry without a key");
  info.key = *decoded;
  const std::string_view size = entry.child_value("Size");
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), info.size_bytes);
  if (size.empty() || error != std::errc() || end != size.data() + size.size())
    return NotAList("an entry without a size");
  return info;
}

Result<S3ListPage> ReadList(const pugi::xml_node& list) {
  S3ListPage page;
  const bool encoded =
      std::string_view(list.child_value("EncodingType")) == "url";
  for (const pugi::xml_node& entry : list.children("Contents")) {
    TREFOIL_ASSIGN(ObjectInfo info, ParseEntry(entry, encoded));
    page.objects.push_back(std::move(info));
  }
  page.truncated = std::string_view(list.child_value("IsTruncated")) == "true";
  page.next_token = list.child_value("NextContinuationToken");
  return page;
}

}  // namespace

std::string CleanText(std::string_view text, size_t max_size) {
  std::string out(text.substr(0, max_size));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, ' ');
  return out;
}

S3Error ParseS3Error(std::string_view body) {
  S3Error error;
  try {
    pugi::xml_document document;
    if (!document.load_buffer(body.data(), body.size())) return error;
    const pugi::xml_node node = document.child("Error");
    error.code = CleanText(node.child_value("Code"), kMaxCodeSize);
    error.message = CleanText(node.child_value("Message"), kMaxMessageSize);
    error.region = CleanText(node.child_value("Region"), kMaxCodeSize);
    error.endpoint = CleanText(node.child_value("Endpoint"), kMaxMessageSize);
  } catch (const std::bad_alloc&) {
    return {};
  }
  const bool plain =
      std::all_of(error.code.begin(), error.code.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9') || c == '.';
      });
  if (!plain) error.code.clear();
  return error;
}

Result<S3ListPage> ParseS3ListPage(std::string_view body) {
  try {
    pugi::xml_document document;
    if (!document.load_buffer(body.data(), body.size()))
      return NotAList("not XML");
    const pugi::xml_node list = document.child("ListBucketResult");
    if (!list) return NotAList("no ListBucketResult");
    return ReadList(list);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kIoError, "out of memory for a list of objects");
  }
}

}  // namespace trefoil
