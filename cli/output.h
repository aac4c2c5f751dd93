// What a person or a script reads: tables, states in colour where a terminal shows them, proto3 JSON.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace rekindle::cli {

enum class Colour { kNone, kBold, kGreen, kYellow, kRed, kGrey };

// Decided once by main: a terminal, no NO_COLOR, TERM other than dumb.
void use_colour(bool on);
std::string paint(Colour colour, std::string_view text);

// Columns as wide as their widest cell, two spaces between; the last one is not padded.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string text() const;  // header only when there are rows

 private:
  std::vector<std::vector<std::string>> rows_;
};

// The API's message with every field, defaults included, so that scripts may rely on the keys.
std::string json_of(const google::protobuf::Message& message);

// Exactly what was given, at once: progress must be seen while it happens.
void print(std::string_view text);        // standard output
void print_error(std::string_view text);  // standard error, with a line end

std::string time_text(int64_t micros);  // "2013-02-01T10:00:00Z", "-" for 0
std::string lower(std::string_view text);
// "a few rows" of a long text: what follows is cut at the line end.
std::string first_line(std::string_view text);

}  // namespace rekindle::cli
