// An event store in a folder of its own, and the calls on it that must succeed.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "artifacts/fake_store.h"
#include "events/store.h"
#include "tests/events/traffic.h"

namespace rekindle::events {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory where there is such a folder: thousands of commits wait for the disk elsewhere.
    const std::filesystem::path shared = "/dev/shm";
    const auto root = std::filesystem::is_directory(shared) ? shared : std::filesystem::temp_directory_path();
    std::string pattern = (root / "rekindle-events-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    open();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open(const char* name = "events.db") {
    store_.reset();
    auto opened = EventStore::open(folder_ / name, artifacts_);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    store_ = std::move(*opened);
  }
  Appended append(const v1::EventBatch& batch) {
    const auto done = store_->append(batch);
    EXPECT_TRUE(done.ok()) << done.status().message();
    return done.ok() ? *done : Appended{};
  }
  JudgeInput input(int64_t watermark_us, int64_t after_slot_us = 0) const {
    JudgeInput in;
    in.spec = &spec_;
    in.champion = champion_;
    in.profiles[1] = &profile_;
    in.profiles[2] = &profile_;
    in.watermark_us = watermark_us;
    in.after_slot_us = after_slot_us;
    in.quarantines = quarantines_;
    return in;
  }
  // All judgements up to the watermark, each told to the store as recorded.
  std::vector<v1::JudgedWindow> judge(int64_t watermark_us) {
    std::vector<v1::JudgedWindow> out;
    while (true) {
      auto window = store_->judge_next(input(watermark_us, after_));
      EXPECT_TRUE(window.ok()) << window.status().message();
      if (!window.ok() || !*window) return out;
      out.push_back(**window);
      after_ = out.back().slot_us();
    }
  }
  std::vector<v1::DatasetSnapshot> settle(int64_t watermark_us) {
    auto made = store_->settle(spec_, watermark_us, quarantines_);
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.ok() ? *made : std::vector<v1::DatasetSnapshot>{};
  }

  std::filesystem::path folder_;
  artifacts::FakeStore artifacts_;
  std::unique_ptr<EventStore> store_;
  v1::JobSpec spec_ = demand_spec();
  v1::Profile profile_ = demand_profile();
  uint64_t champion_ = 1;
  int64_t after_ = 0;
  std::vector<v1::Quarantine> quarantines_;
};

}  // namespace rekindle::events
