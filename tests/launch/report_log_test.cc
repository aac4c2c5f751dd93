#include "launch/report_log.h"

#include <fstream>

#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

class ReportLogTest : public AttemptTest {
 protected:
  static v1::Report metric(double value) {
    v1::Report report;
    report.mutable_metric()->set_name("loss");
    report.mutable_metric()->set_value(value);
    return report;
  }
  void write(std::initializer_list<double> values) {
    ReportWriter writer = ReportWriter::open(folder_, 0).value();
    for (const double value : values) ASSERT_TRUE(writer.append(metric(value)).ok());
  }
  static std::vector<double> values(const std::vector<v1::Report>& reports) {
    std::vector<double> out;
    for (const v1::Report& report : reports) out.push_back(report.metric().value());
    return out;
  }
  std::string bytes() { return read_file(folder_.report(0)).value(); }
  void set_bytes(std::string_view content) { std::ofstream(folder_.report(0), std::ios::binary) << content; }

  AttemptFolder folder_ = attempt("wait");
};

using Values = std::vector<double>;

TEST_F(ReportLogTest, TailsFromAnOffset) {
  ReportReader reader(folder_, 0);
  EXPECT_TRUE(reader.read_new().value().empty());
  write({1, 2});
  EXPECT_EQ(values(reader.read_new().value()), (Values{1, 2}));
  EXPECT_TRUE(reader.read_new().value().empty());
  write({3});
  ReportReader later(folder_, 0, reader.offset());
  EXPECT_EQ(values(later.read_new().value()), Values{3});
  ReportReader from_start(folder_, 0);
  EXPECT_EQ(values(from_start.read_new(2).value()), (Values{1, 2}));
  EXPECT_EQ(values(from_start.read_new(2).value()), Values{3});
}

TEST_F(ReportLogTest, EveryTornTailWaitsForItsRest) {
  write({1, 2});
  const std::string whole = bytes();
  const size_t first = whole.size() / 2;
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    set_bytes(whole.substr(0, cut));
    ReportReader reader(folder_, 0);
    EXPECT_EQ(reader.read_new().value().size(), cut >= first ? 1u : 0u) << cut;
    set_bytes(whole);
    EXPECT_EQ(reader.read_new().value().size(), cut >= first ? 1u : 2u) << cut;
  }
}

TEST_F(ReportLogTest, EveryFlippedByteIsNoticed) {
  write({1, 2, 3});
  const std::string whole = bytes();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    set_bytes(damaged);
    ReportReader reader(folder_, 0);
    Values seen;
    Status end;
    for (;;) {
      Result<std::vector<v1::Report>> some = reader.read_new();
      end = some.status();
      if (!some.ok() || some->empty()) break;
      for (const double value : values(*some)) seen.push_back(value);
    }
    // Damage in a length may look like a frame that is still growing; never is a report made up.
    const size_t good = at / (whole.size() / 3);
    const Values all = {1, 2, 3};
    EXPECT_EQ(seen, Values(all.begin(), all.begin() + static_cast<long>(good)))
        << at << " " << end.to_string();
  }
}

TEST_F(ReportLogTest, AWriterCutsATornTailBeforeItGoesOn) {
  write({1});
  set_bytes(bytes() + std::string("\x08\0\0\0torn", 8));
  write({2});
  ReportReader reader(folder_, 0);
  EXPECT_EQ(values(reader.read_new().value()), (Values{1, 2}));
}

TEST_F(ReportLogTest, RefusesAnOversizedReport) {
  ReportWriter writer = ReportWriter::open(folder_, 0).value();
  v1::Report report;
  report.mutable_note()->set_text(std::string(kReportBytesMax + 1, 'x'));
  EXPECT_EQ(writer.append(report).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace rekindle::launch
