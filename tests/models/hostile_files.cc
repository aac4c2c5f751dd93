#include "hostile_files.h"

#include <cstdint>
#include <cstring>

namespace rekindle::models {
namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + rest;
}

std::string file(const std::string& header, size_t data_bytes = 0) {
  return with_length(header.size(), header + std::string(data_bytes, '\0'));
}

// One float named `name`; `more` goes behind it in the header.
std::string one(const std::string& name = "a", const std::string& more = "") {
  return "{\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}" + more + "}";
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

std::string pair(const std::string& first, const std::string& second) {
  return R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + first +
         R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + second + "}}";
}

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// What an archive, a pickle and a script begin with.
const std::string kZip = std::string("PK\x03\x04\x14\x00\x00\x00", 8);
const std::string kZipEnd = std::string("PK\x05\x06", 4) + std::string(18, '\0');
const std::string kPickle = std::string("\x80\x02}q\x00(X\x01\x00\x00\x00", 11);

using Files = std::vector<HostileFile>;

void lengths(Files& out) {
  for (size_t size = 0; size < 8; ++size) {
    out.push_back({"size-" + std::to_string(size), std::string(size, '{'), "shorter than 8 bytes"});
  }
  out.push_back({"header-of-0", with_length(0, ""), "does not begin with '{'"});
  out.push_back({"header-longer-than-file", with_length(100, "{}"), "the header is cut off"});
  out.push_back({"header-one-byte-short", with_length(one().size() + 1, one()), "the header is cut off"});
  out.push_back({"header-over-the-cap", with_length((8u << 20) + 1, "{}"), "a header of 8388609 bytes"});
  out.push_back(
      {"header-of-2-to-the-63", with_length(1ull << 63, "{}"), "a header of 9223372036854775808 bytes"});
  out.push_back(
      {"header-of-2-to-the-64-less-1", with_length(~0ull, "{}"), "a header of 18446744073709551615 bytes"});
  // 8 + length overflows to a small number.
  out.push_back(
      {"header-that-wraps", with_length(~0ull - 7, "{}"), "a header of 18446744073709551608 bytes"});
}

void headers(Files& out) {
  out.push_back({"header-space-first", file(" " + one(), 4), "does not begin with '{'"});
  out.push_back({"header-a-list", file("[1]"), "does not begin with '{'"});
  out.push_back({"header-a-text", file("\"a\""), "does not begin with '{'"});
  out.push_back({"header-byte-order-mark", file("\xef\xbb\xbf" + one(), 4), "does not begin with '{'"});
  out.push_back({"header-utf-16", file(std::string("{\0}\0", 4)), "not JSON"});
  out.push_back({"header-open", file("{"), "incomplete JSON"});
  out.push_back({"header-open-in-a-name", file("{\"abc"), "incomplete JSON"});
  out.push_back({"header-open-in-a-number", file("{\"a\":{\"shape\":[12"), "incomplete JSON"});
  out.push_back({"utf-8-broken", file("{\"\xff\xfe\":1}"), "not JSON"});
  out.push_back({"utf-8-overlong", file("{\"\xc0\x80\":1}"), "not JSON"});
  out.push_back({"utf-8-surrogate", file("{\"\xed\xa0\x80\":1}"), "not JSON"});
  out.push_back({"escape-lone-surrogate", file(R"({"\ud800":1})"), "not JSON"});
  out.push_back({"control-character-in-name", file("{\"a\nb\":1}"), "not JSON"});
  out.push_back({"comma-at-the-end", file(one("a", ","), 4), "not JSON"});
  out.push_back({"comment", file("{/* */}"), "not JSON"});
  out.push_back({"nan", file(tensor("F32", "[NaN]", "[0,4]"), 4), "not JSON"});
  out.push_back({"zero-first", file(tensor("F32", "[01]", "[0,4]"), 4), "not JSON"});
  out.push_back({"plus-sign", file(tensor("F32", "[+1]", "[0,4]"), 4), "not JSON"});
  out.push_back({"second-document", file(one() + "{}", 4), "something follows the header's JSON"});
  out.push_back({"letters-behind", file(one() + "  x", 4), "something follows the header's JSON"});
  out.push_back(
      {"nul-padding", file(one() + std::string(5, '\0'), 4), "something follows the header's JSON"});
  out.push_back({"nested-lists", file("{\"a\":" + repeated("[", 10'000)), "an array where none belongs"});
  out.push_back({"nested-objects", file(repeated("{\"shape\":", 10'000)), "an object inside 'shape'"});
  out.push_back({"nested-metadata", file(R"({"__metadata__":{"a":{"b":"c"}}})"), "an object inside"});
  out.push_back({"list-in-a-shape", file(tensor("F32", "[[1]]", "[0,4]"), 4), "an array where none belongs"});
  out.push_back({"object-in-a-shape", file(tensor("F32", "[{}]", "[0,4]"), 4), "an object inside an array"});
}

void names(Files& out) {
  out.push_back({"tensor-twice",
                 file(one("a", R"(,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})"), 4),
                 "the key 'a' comes twice"});
  out.push_back({"tensor-twice-by-escape",
                 file(one("a", R"(,"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), 8),
                 "the key 'a' comes twice"});
  out.push_back({"dtype-twice",
                 file(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
                 "'dtype' comes twice in 'a'"});
  out.push_back({"offsets-twice",
                 file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}})", 4),
                 "'data_offsets' comes twice in 'a'"});
  out.push_back({"metadata-twice", file(R"({"__metadata__":{"x":"1"},"__metadata__":{"x":"2"}})"),
                 "the key '__metadata__' comes twice"});
  out.push_back({"metadata-key-twice", file(R"({"__metadata__":{"x":"1","x":"2"}})"),
                 "'x' comes twice in '__metadata__'"});
  out.push_back({"metadata-a-number", file(R"({"__metadata__":{"x":1}})"), "a number where none belongs"});
  out.push_back({"metadata-a-list", file(R"({"__metadata__":{"x":["1"]}})"), "an array where none belongs"});
  out.push_back({"metadata-null", file(R"({"__metadata__":null})"), "a null in '__metadata__'"});
  out.push_back({"metadata-a-text", file(R"({"__metadata__":"x"})"), "a text where none belongs"});
  out.push_back({"name-empty", file(one(""), 4), "a tensor without a name"});
  out.push_back({"name-of-a-megabyte", file(one(std::string(1u << 20, 'n')), 4), "not JSON"});
  out.push_back({"unknown-key",
                 file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"code":"x"}})", 4),
                 "the unknown key 'code' in 'a'"});
  out.push_back({"no-dtype", file(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4), "'a' lacks dtype"});
  out.push_back({"no-shape", file(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4), "'a' lacks dtype"});
  out.push_back({"no-offsets", file(R"({"a":{"dtype":"F32","shape":[1]}})", 4), "'a' lacks dtype"});
  out.push_back({"one-offset", file(tensor("F32", "[1]", "[0]"), 4), "'a' lacks dtype"});
  out.push_back({"tensor-null", file(R"({"a":null})"), "a null in 'a'"});
  out.push_back({"tensor-true", file(R"({"a":true})"), "a boolean in 'a'"});
  out.push_back({"tensor-a-number", file(R"({"a":7})"), "a number where none belongs"});
  out.push_back({"tensor-a-text", file(R"({"a":"F32"})"), "a text where none belongs"});
  out.push_back({"tensor-a-list", file(R"({"a":[]})"), "an array where none belongs"});
}

void offsets(Files& out) {
  out.push_back(
      {"offsets-reversed", file(tensor("F32", "[1]", "[4,0]"), 4), "a gap or an overlap before 'a'"});
  out.push_back({"offsets-reversed-behind-another", file(pair("[0,4]", "[4,0]"), 8),
                 "'b' has offsets that go backwards"});
  out.push_back({"offsets-overlap", file(pair("[0,4]", "[2,6]"), 6), "a gap or an overlap before 'b'"});
  out.push_back({"offsets-shared", file(pair("[0,4]", "[0,4]"), 4), "a gap or an overlap before 'b'"});
  out.push_back({"offsets-with-a-hole", file(pair("[0,4]", "[8,12]"), 12), "a gap or an overlap before 'b'"});
  out.push_back({"offsets-from-1", file(tensor("F32", "[1]", "[1,5]"), 5), "a gap or an overlap before 'a'"});
  out.push_back(
      {"offsets-past-the-end", file(tensor("F32", "[2]", "[0,8]"), 4), "'a' lies outside of the file"});
  out.push_back(
      {"offsets-one-past-the-end", file(tensor("U8", "[5]", "[0,5]"), 4), "'a' lies outside of the file"});
  out.push_back(
      {"offsets-into-the-header", file(tensor("F32", "[1]", "[-4,0]"), 4), "a negative number in 'a'"});
  out.push_back({"offsets-of-2-to-the-63", file(tensor("F32", "[1]", "[0,9223372036854775808]"), 4),
                 "a number out of range in 'a'"});
  out.push_back({"offsets-of-2-to-the-63-less-1", file(tensor("F32", "[1]", "[0,9223372036854775807]"), 4),
                 "'a' lies outside of the file"});
  out.push_back({"offsets-minus-0", file(tensor("F32", "[1]", "[-0,4]"), 4), "a negative number in 'a'"});
  out.push_back({"offsets-three", file(tensor("F32", "[1]", "[0,4,8]"), 8), "'a' has more than two offsets"});
  out.push_back({"last-byte-uncovered", file(one(), 5), "1 bytes belong to no tensor"});
  out.push_back({"data-without-tensors", file("{}", 16), "16 bytes belong to no tensor"});
  out.push_back({"data-cut-off", file(one(), 3), "'a' lies outside of the file"});
}

void shapes(Files& out) {
  const std::string huge = "4294967296";
  out.push_back({"shape-overflows", file(tensor("F32", "[" + huge + "," + huge + ",16]", "[0,4]"), 4),
                 "'a' has an impossible shape"});
  // The product of the sizes wraps to 1, that of the sizes and the width to 4.
  out.push_back({"shape-wraps-to-what-fits",
                 file(tensor("F32", "[9223372036854775807,9223372036854775807]", "[0,4]"), 4),
                 "'a' has an impossible shape"});
  out.push_back({"shape-overflows-by-its-width", file(tensor("F64", "[4611686018427387904]", "[0,8]"), 8),
                 "'a' has an impossible shape"});
  out.push_back({"shape-negative", file(tensor("F32", "[-1]", "[0,4]"), 4), "a negative number in 'a'"});
  out.push_back({"shape-minus-0", file(tensor("F32", "[-0]", "[0,0]")), "a negative number in 'a'"});
  out.push_back({"shape-a-fraction", file(tensor("F32", "[1.5]", "[0,4]"), 4), "a fraction in 'a'"});
  out.push_back({"shape-an-exponent", file(tensor("F32", "[1e0]", "[0,4]"), 4), "a fraction in 'a'"});
  out.push_back({"shape-of-1e999", file(tensor("F32", "[1e999]", "[0,4]"), 4), "in 'a'"});
  out.push_back({"shape-a-text", file(tensor("F32", "[\"1\"]", "[0,4]"), 4), "a text where none belongs"});
  out.push_back({"shape-a-number", file(tensor("F32", "1", "[0,4]"), 4), "a number where none belongs"});
  out.push_back({"shape-of-1000-dimensions",
                 file(tensor("F32", "[1" + repeated(",1", 999) + "]", "[0,4]"), 4),
                 "'a' has more than 16 dimensions"});
  out.push_back({"size-too-small-for-shape", file(tensor("F32", "[2]", "[0,4]"), 4),
                 "'a' has offsets that do not fit its shape"});
  out.push_back({"size-too-large-for-shape", file(tensor("F32", "[1]", "[0,8]"), 8),
                 "'a' has offsets that do not fit its shape"});
  out.push_back({"size-0-with-bytes", file(tensor("F32", "[0]", "[0,4]"), 4),
                 "'a' has offsets that do not fit its shape"});
  out.push_back({"dtype-unknown", file(tensor("F31", "[1]", "[0,4]"), 4), "'a' has the unknown dtype 'F31'"});
  out.push_back(
      {"dtype-lower-case", file(tensor("f32", "[1]", "[0,4]"), 4), "'a' has the unknown dtype 'f32'"});
  out.push_back({"dtype-empty", file(tensor("", "[1]", "[0,4]"), 4), "'a' has the unknown dtype ''"});
}

// A file that another program reads as something else; and other things under this name.
void disguises(Files& out) {
  out.push_back({"archive-before", kZip + file(one(), 4), "bytes"});
  out.push_back({"archive-behind", file(one(), 4) + kZip + kZipEnd, "30 bytes belong to no tensor"});
  out.push_back(
      {"archive-in-the-padding", file(one() + "  " + kZipEnd, 4), "something follows the header's JSON"});
  out.push_back({"archive-of-torch", kZip + std::string(60, 'x') + kZipEnd, "a header of"});
  out.push_back({"pickle", kPickle + std::string(40, 'x'), "a header of"});
  out.push_back({"script", "#!/bin/sh\nexec true\n", "a header of"});
  out.push_back({"program",
                 std::string("\x7f"
                             "ELF\x02\x01\x01\x00",
                             8) +
                     std::string(60, '\0'),
                 "a header of"});
  out.push_back({"numpy", std::string("\x93NUMPY\x01\x00", 8) + std::string(60, ' '), "a header of"});
}

// What is unusual and yet right.
void accepted(Files& out) {
  out.push_back({"good-nothing", file("{}"), ""});
  out.push_back({"good-metadata-alone", file(R"({"__metadata__":{"x":"\u00e4"}})"), ""});
  out.push_back({"good-scalar", file(tensor("F32", "[]", "[0,4]"), 4), ""});
  out.push_back({"good-zero-size", file(tensor("F32", "[0]", "[0,0]")), ""});
  out.push_back({"good-zero-size-of-many", file(tensor("F32", "[4294967296,0]", "[0,0]")), ""});
  out.push_back(
      {"good-zero-size-between",
       file(pair("[0,4]", "[4,8]").insert(1, R"("z":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},)"), 8),
       ""});
  out.push_back({"good-out-of-order", file(pair("[4,8]", "[0,4]"), 8), ""});
  out.push_back({"good-padded", file(one() + std::string(7, ' '), 4), ""});
  out.push_back({"good-padded-by-newlines", file(one() + "\n\n", 4), ""});
  out.push_back({"good-spaces-within",
                 file(R"({ "a" : { "shape":[1] , "dtype":"F32", "data_offsets":[0, 4]} })", 4), ""});
  out.push_back({"good-name-of-letters", file(one("blocks.0/\u00e9\\\"\\u0000x"), 4), ""});
  for (const char* dtype : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"}) {
    out.push_back({std::string("good-") + dtype, file(tensor(dtype, "[8]", "[0,8]"), 8), ""});
  }
  for (const char* dtype : {"I16", "U16", "F16", "BF16"}) {
    out.push_back({std::string("good-") + dtype, file(tensor(dtype, "[4]", "[0,8]"), 8), ""});
  }
  for (const char* dtype : {"F64", "I64", "U64", "C64"}) {
    out.push_back({std::string("good-") + dtype, file(tensor(dtype, "[1]", "[0,8]"), 8), ""});
  }
}

}  // namespace

const std::vector<HostileFile>& hostile_files() {
  static const Files kFiles = [] {
    Files out;
    for (auto add : {lengths, headers, names, offsets, shapes, disguises, accepted}) add(out);
    return out;
  }();
  return kFiles;
}

std::string many_tensors(size_t count) {
  std::string header = "{";
  for (size_t i = 0; i < count; ++i) {
    const std::string begin = std::to_string(i), end = std::to_string(i + 1);
    header += (i == 0 ? "\"" : ",\"") + begin + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + begin +
              "," + end + "]}";
  }
  return file(header + "}", count);
}

}  // namespace rekindle::models
