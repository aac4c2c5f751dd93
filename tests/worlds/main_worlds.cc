// made-up-world NAME FILE: a made-up world's rows as Parquet, for whoever wants to try a spec or a policy
// where it is known what changes and when.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "dataio/parquet.h"
#include "tests/worlds/specs.h"

namespace {

using namespace rekindle;
namespace fs = std::filesystem;

constexpr int64_t kHourUs = 3'600'000'000;
constexpr int64_t kStartUs = 438'288 * kHourUs;  // 2020-01-01

struct Arguments {
  std::string name, folder;
  uint32_t seed = 1;
  int days = 365;
  int rows_an_hour = 6;
};

Status write(const Arguments& args) {
  const int64_t rows = int64_t{args.days} * 24 * args.rows_an_hour, step = kHourUs / args.rows_an_hour;
  worlds::World world = TRY(worlds::world(args.name, args.seed, rows));
  dataio::Table table = worlds::table_of(world, rows, kStartUs, step);
  std::vector<std::string> parts;
  for (int64_t row = 0; row < rows; ++row)
    parts.push_back(row < worlds::first_rows(rows) ? "first" : "later");
  table.add(dataio::text_column("part", parts));
  const fs::path folder = args.folder;
  std::error_code made;
  fs::create_directories(folder, made);
  TRY_STATUS(write_file_durably(folder / "rows.parquet", TRY(dataio::write_parquet(table)), 0644));
  TRY_STATUS(write_file_durably(folder / "import.yaml", worlds::import_text(world), 0644));
  TRY_STATUS(write_file_durably(folder / "job.yaml", worlds::job_text(world), 0644));
  fmt::print("{}: {} rows of {}\n", folder.string(), rows, args.name);
  for (const int64_t change : world.changes)
    fmt::print("begins to change at {}\n", format_time(time_from_micros(kStartUs + change * step)));
  return ok_status();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments args;
  CLI::App app("Writes a made-up world: rows.parquet, import.yaml and job.yaml.");
  app.add_option("NAME", args.name, fmt::format("one of {}", fmt::join(worlds::names(), ", ")))->required();
  app.add_option("FOLDER", args.folder, "folder to write to")->required();
  app.add_option("--seed", args.seed)->capture_default_str()->check(CLI::Range(0u, 1u << 27));
  app.add_option("--days", args.days)->capture_default_str()->check(CLI::Range(1, 3650));
  app.add_option("--rows-an-hour", args.rows_an_hour)->capture_default_str()->check(CLI::Range(1, 3600));
  CLI11_PARSE(app, argc, argv);
  const Status status = write(args);
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.message());
  return 2;
}
