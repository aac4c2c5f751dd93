#include "tests/worlds/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "tests/worlds/changes.h"
#include "tests/worlds/fashion.h"

namespace rekindle::worlds {
namespace {

// Where changes begin, as shares of all rows.
constexpr double kOnce = 0.4, kGradualWidth = 0.1;
constexpr double kAway = 0.35, kBack = 0.65;
constexpr double kSteps[] = {0.3, 0.5, 0.7};
constexpr double kMoves = 0.3;

// Another seed for another part of a world.
constexpr uint32_t kOther = 1'000'003;

// A kind of stream: what it is like before and after, and how it changes little by little.
struct Family {
  std::string name;
  std::vector<Field> fields;
  int classes = 2;
  std::function<Stream(uint32_t seed)> before, after;
  // What follows one another in "incremental"; or, where this is empty, `moving`: the stream of `before` that
  // moves on from where it stood, over `rows` rows.
  std::vector<std::function<Stream(uint32_t seed)>> steps;
  std::function<Stream(uint32_t seed, double rows)> moving;
  std::function<double(const Row&)> first;  // where the first field stands in its range: [0, 1]
};

std::vector<Field> numbered(std::string_view prefix, int count) {
  std::vector<Field> out;
  for (int i = 0; i < count; ++i) out.push_back({fmt::format("{}{}", prefix, i)});
  return out;
}

std::function<Stream(uint32_t)> sea_of(int variant) {
  return [variant](uint32_t seed) { return sea(seed, variant, 0.1); };
}
std::function<Stream(uint32_t)> agrawal_of(int function) {
  return [function](uint32_t seed) { return agrawal(seed, function, 0.05); };
}
std::function<Stream(uint32_t)> led_of(int swapped) {
  return [swapped](uint32_t seed) { return led(seed, 0.1, swapped); };
}

std::vector<Family> families() {
  Family sea{
      "sea", numbered("x", 3), 2, sea_of(0), sea_of(3), {sea_of(2), sea_of(0), sea_of(1), sea_of(3)}, {}, {}};
  sea.first = [](const Row& row) { return row.x[0] / 10; };

  Family agrawal{"agrawal",
                 {{"salary"},
                  {"commission"},
                  {"age"},
                  {"elevel", true},
                  {"car", true},
                  {"zipcode", true},
                  {"hvalue"},
                  {"hyears"},
                  {"loan"}},
                 2,
                 agrawal_of(0),
                 agrawal_of(2),
                 {agrawal_of(6), agrawal_of(7), agrawal_of(8), agrawal_of(9)},
                 {},
                 {}};
  agrawal.first = [](const Row& row) { return (row.x[0] - 20'000) / 130'000; };

  Family hyperplane{"hyperplane", numbered("x", 10), 2, {}, {}, {}, {}, {}};
  hyperplane.before = [](uint32_t seed) { return worlds::hyperplane(seed, {}); };
  hyperplane.after = [](uint32_t seed) { return worlds::hyperplane(seed + kOther, {}); };
  // Two weights of ten grow until they rule.
  hyperplane.moving = [](uint32_t seed, double rows) {
    return worlds::hyperplane(seed, {.step = 4 / rows, .turns = 0});
  };
  hyperplane.first = [](const Row& row) { return row.x[0]; };

  Family led{
      "led", numbered("s", 24), 10, led_of(0), led_of(4), {led_of(0), led_of(1), led_of(2), led_of(4)}, {},
      {}};
  led.first = [](const Row& row) { return row.x[0]; };

  Family rbf{"rbf", numbered("x", 10), 2, {}, {}, {}, {}, {}};
  rbf.before = [](uint32_t seed) { return random_rbf(seed, seed + kOther, {}); };
  rbf.after = [](uint32_t seed) { return random_rbf(seed + kOther, seed, {}); };
  rbf.moving = [](uint32_t seed, double rows) {
    return random_rbf(seed, seed + 2 * kOther, {.speed = 3 / rows, .moving = 50});
  };
  rbf.first = [](const Row& row) { return std::clamp(row.x[0], 0.0, 1.0); };
  return {sea, agrawal, hyperplane, led, rbf};
}

const std::vector<std::string>& shapes() {
  static const std::vector<std::string> all = {"still",     "abrupt",    "gradual", "incremental",
                                               "recurring", "covariate", "prior"};
  return all;
}

// The same stream asked from two places: it goes on, and does not begin again.
Stream shared(Stream stream) {
  return [stream = std::make_shared<Stream>(std::move(stream))] { return (*stream)(); };
}

// Seeds of the parts: 0 and 1 for rows, from 2 on for what mixes them.
uint32_t part(uint32_t seed, uint32_t number) {
  return seed * 16 + number;
}

void add_change(World& world, uint32_t seed, Stream after, double at, double width, double rows) {
  world.changes.push_back(static_cast<int64_t>((at - width / 2) * rows));
  world.stream = mixed(part(seed, 2 + static_cast<uint32_t>(world.changes.size())), std::move(world.stream),
                       std::move(after), at * rows, std::max(1.0, width * rows));
}

// Fields of one kind of row more often than before, and what a row's class says is as it was.
double oftener(double position) {
  return 0.1 + 0.9 * position;
}

// The first class three times as often beside each other as before.
double rarer(const Row& row) {
  return row.y == 0 ? 1 : 1.0 / 3;
}

void shape_it(World& world, const Family& family, std::string_view shape, uint32_t seed, double rows) {
  const uint32_t base = part(seed, 0), other = part(seed, 1);
  world.stream = shared(family.before(base));
  if (shape == "abrupt") {
    add_change(world, seed, family.after(other), kOnce, 0, rows);
  } else if (shape == "gradual") {
    add_change(world, seed, family.after(other), kOnce, kGradualWidth, rows);
  } else if (shape == "recurring") {
    const Stream home = world.stream;
    add_change(world, seed, family.after(other), kAway, 0, rows);
    add_change(world, seed, home, kBack, 0, rows);
  } else if (shape == "incremental" && family.steps.empty()) {
    add_change(world, seed, family.moving(base, (1 - kMoves) * rows), kMoves, 0, rows);
  } else if (shape == "incremental") {
    world.stream = family.steps[0](base);
    for (size_t i = 1; i < family.steps.size(); ++i)
      add_change(world, seed, family.steps[i](part(seed, static_cast<uint32_t>(8 + i))), kSteps[i - 1], 0,
                 rows);
  } else if (shape == "covariate") {
    const auto keep = [first = family.first](const Row& row) { return oftener(first(row)); };
    add_change(world, seed, thinned(other, world.stream, keep), kOnce, 0, rows);
  } else if (shape == "prior") {
    add_change(world, seed, thinned(other, world.stream, rarer), kOnce, 0, rows);
  }
}

// What befalls pictures: "prior" (five of the ten kinds become rare), "rotation" (they turn by a right angle,
// little by little), "swap" (two pairs of kinds change names).
const std::vector<std::string>& fashion_shapes() {
  static const std::vector<std::string> all = {"still", "prior", "rotation", "swap"};
  return all;
}

Result<World> fashion_world(std::string_view shape, uint32_t seed, double rows) {
  World out{fmt::format("fashion-{}", shape), numbered("p", kFashionFields), kFashionClasses, {}, {}};
  const auto upright = [](double) { return 0.0; };
  const auto turning = [rows](double row) {
    return std::max(0.0, (row / rows - kMoves) / (1 - kMoves)) * 90;
  };
  const bool turns = shape == "rotation";
  out.stream = shared(TRY(fashion(part(seed, 0), turns ? std::function<double(double)>(turning) : upright)));
  if (turns) out.changes.push_back(static_cast<int64_t>(kMoves * rows));
  if (shape == "prior") {
    const auto keep = [](const Row& row) { return row.y < 5 ? 0.2 : 1.0; };
    add_change(out, seed, thinned(part(seed, 1), out.stream, keep), kOnce, 0, rows);
  } else if (shape == "swap") {
    const auto swapped = [stream = out.stream] {
      Row row = stream();
      if (row.y < 4) row.y ^= 1;
      return row;
    };
    add_change(out, seed, swapped, kOnce, 0, rows);
  }
  return out;
}

}  // namespace

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const Family& family : families())
    for (const std::string& shape : shapes()) out.push_back(family.name + "-" + shape);
  if (fashion_is_installed())
    for (const std::string& shape : fashion_shapes()) out.push_back("fashion-" + shape);
  return out;
}

Result<World> world(std::string_view name, uint32_t seed, int64_t rows) {
  for (const Family& family : families())
    for (const std::string& shape : shapes()) {
      if (name != family.name + "-" + shape) continue;
      World out{std::string(name), family.fields, family.classes, {}, {}};
      shape_it(out, family, shape, seed, static_cast<double>(rows));
      return out;
    }
  for (const std::string& shape : fashion_shapes())
    if (name == "fashion-" + shape) return fashion_world(shape, seed, static_cast<double>(rows));
  return invalid_argument(fmt::format("no world '{}'; there are {}", name, fmt::join(names(), ", ")));
}

dataio::Table table_of(World& world, int64_t rows, int64_t start_us, int64_t step_us) {
  std::vector<int64_t> times;
  std::vector<std::vector<double>> columns(world.fields.size());
  std::vector<double> flags;
  std::vector<std::string> classes;
  for (int64_t i = 0; i < rows; ++i) {
    const Row row = world.stream();
    times.push_back(start_us + i * step_us);
    for (size_t j = 0; j < columns.size(); ++j) columns[j].push_back(row.x[j]);
    if (world.classes == 2)
      flags.push_back(row.y);
    else
      classes.push_back(fmt::format("c{}", row.y));
  }
  dataio::Table table;
  table.add(dataio::time_column("at", std::move(times)));
  for (size_t j = 0; j < columns.size(); ++j) {
    if (!world.fields[j].categorical) {
      table.add(dataio::number_column(world.fields[j].name, std::move(columns[j])));
      continue;
    }
    std::vector<std::string> words;
    for (const double value : columns[j]) words.push_back(fmt::format("{}", value));
    table.add(dataio::text_column(world.fields[j].name, words));
  }
  if (world.classes == 2)
    table.add(dataio::bool_column("y", std::move(flags)));
  else
    table.add(dataio::text_column("y", classes));
  return table;
}

}  // namespace rekindle::worlds
