#include "cli/output.h"

#include <fmt/format.h>

#include <cstdio>

#include "proto/json.h"

namespace rekindle::cli {
namespace {

bool colour_on = false;

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kBold:
      return "1";
    case Colour::kGreen:
      return "32";
    case Colour::kYellow:
      return "33";
    case Colour::kRed:
      return "31";
    case Colour::kGrey:
      return "90";
  }
  return "";
}

// Columns that a text takes on a terminal: escapes take none, UTF-8 continuation bytes neither.
size_t width_of(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

void write(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

}  // namespace

void use_colour(bool on) {
  colour_on = on;
}

std::string paint(Colour colour, std::string_view text) {
  if (!colour_on || colour == Colour::kNone) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", code_of(colour), text);
}

std::string TextTable::text() const {
  if (empty()) return {};
  std::vector<size_t> widths;
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < rows_[r].size(); ++i) {
      const std::string& cell = rows_[r][i];
      line += r == 0 ? paint(Colour::kBold, cell) : cell;
      if (i + 1 < rows_[r].size()) line += std::string(widths[i] - width_of(cell) + 2, ' ');
    }
    out += line + '\n';
  }
  return out;
}

std::string json_of(const google::protobuf::Message& message) {
  const Result<std::string> out = to_json(message, JsonForm::kShown);
  CHECK(out.ok(), "a message of the API has a JSON form");
  return *out;
}

void print(std::string_view text) {
  write(stdout, text);
}

void print_error(std::string_view text) {
  write(stderr, fmt::format("{}\n", text));
}

std::string time_text(int64_t micros) {
  return micros == 0 ? "-" : format_time(time_from_micros(micros));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace rekindle::cli
