#include "dataio/windows.h"

#include "base/units.h"
#include "proto/time.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kHour = 3600'000'000, kDay = 24 * kHour;

v1::JobSpec spec(const char* last = "180d", const char* holdout = "7d", double validation = 0.1) {
  v1::JobSpec out;
  *out.mutable_data()->mutable_lateness() = to_proto(std::chrono::hours(1));
  *out.mutable_data()->mutable_label()->mutable_matures() = to_proto(std::chrono::hours(24));
  *out.mutable_train()->mutable_rows()->mutable_last() = to_proto(parse_duration(last).value());
  *out.mutable_gate()->mutable_holdout() = to_proto(parse_duration(holdout).value());
  out.mutable_train()->set_validation(validation);
  return out;
}

const int64_t kJanuary = micros("2013-01-01T10:00:00Z");
const int64_t kJanuaryEnd = micros("2013-02-01T04:59:00Z");

TEST(Windows, LabelsAreKnownAfterLatenessAndMaturity) {
  EXPECT_EQ(labels_known_until(micros("2013-03-10T05:00:00Z"), spec().data()),
            micros("2013-03-09T04:00:00Z"));
}

// Live data: everything counts back from the as-of time.
TEST(Windows, OfARunOnLiveData) {
  const int64_t as_of = micros("2013-10-01T00:00:00Z");
  const v1::Windows windows = plan_windows(as_of, spec(), {kJanuary, as_of}).value();
  EXPECT_EQ(windows.until_us(), as_of - 25 * kHour);
  EXPECT_EQ(windows.holdout_from_us(), windows.until_us() - 7 * kDay);
  EXPECT_EQ(windows.train_from_us(), as_of - 180 * kDay);
  const int64_t before_holdout = windows.holdout_from_us() - windows.train_from_us();
  EXPECT_EQ(windows.holdout_from_us() - windows.valid_from_us(), before_holdout / 10);
}

// The first run: January alone, whether asked on 2 February or years later.
TEST(Windows, OfTheFirstRunAreBoundedByItsData) {
  for (const char* as_of : {"2013-02-03T00:00:00Z", "2026-11-22T00:00:00Z"}) {
    const v1::Windows windows = plan_windows(micros(as_of), spec(), {kJanuary, kJanuaryEnd}).value();
    EXPECT_EQ(windows.train_from_us(), kJanuary);
    EXPECT_EQ(windows.until_us(), kJanuaryEnd + 1);
    EXPECT_EQ(windows.holdout_from_us(), kJanuaryEnd + 1 - 7 * kDay);
  }
}

// No row whose label may still come is used, although the data goes on.
TEST(Windows, NeverUseRowsKnownLater) {
  const int64_t as_of = micros("2013-01-20T00:00:00Z");
  const v1::Windows windows = plan_windows(as_of, spec(), {kJanuary, kJanuaryEnd}).value();
  EXPECT_EQ(windows.until_us(), as_of - 25 * kHour);
  EXPECT_EQ(windows.train_from_us(), kJanuary);
}

TEST(Windows, AreOrdered) {
  for (double share : {0.01, 0.1, 0.5})
    for (const char* last : {"9d", "30d", "3650d"}) {
      const v1::Windows w =
          plan_windows(micros("2013-02-03T00:00:00Z"), spec(last, "7d", share), {kJanuary, kJanuaryEnd})
              .value();
      EXPECT_LT(w.train_from_us(), w.valid_from_us());
      EXPECT_LT(w.valid_from_us(), w.holdout_from_us());
      EXPECT_LT(w.holdout_from_us(), w.until_us());
    }
}

TEST(Windows, TooLittleDataIsRefusedWithTheFigures) {
  const int64_t as_of = micros("2013-01-02T00:00:00Z");
  const Status early = plan_windows(as_of, spec(), {kJanuary, kJanuaryEnd}).status();
  EXPECT_EQ(early.code(), Code::kFailedPrecondition);
  EXPECT_THAT(early.message(), HasSubstr("no labels are known at 2013-01-02T00:00:00Z"));
  const Status few =
      plan_windows(micros("2013-02-03T00:00:00Z"), spec("180d", "31d"), {kJanuary, kJanuaryEnd}).status();
  EXPECT_EQ(few.code(), Code::kFailedPrecondition);
  EXPECT_THAT(few.message(), HasSubstr("holdout of 31d"));
}

}  // namespace
}  // namespace rekindle::dataio
