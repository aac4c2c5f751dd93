// What the streams of these tests have in common: when they begin, their job, a request with its labels, and
// rows as a serving node counts them.
#pragma once

#include <initializer_list>
#include <string>

#include "base/clock.h"
#include "drift/profile.h"
#include "rekindle/v1/events.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::events {

inline constexpr int64_t kHour = 3'600'000'000, kDay = 24 * kHour;
inline const int64_t kStart = to_micros(*parse_time("2013-02-01"));

// Hourly slots, labels within a day.
inline v1::JobSpec stream_spec(const std::string& name, std::initializer_list<const char*> numeric,
                               std::initializer_list<const char*> categorical, int window_days) {
  v1::JobSpec spec;
  spec.set_rekindle(1);
  spec.set_name(name);
  v1::Data& data = *spec.mutable_data();
  data.set_time("at");
  data.mutable_label()->set_column("late");
  data.mutable_label()->set_kind(v1::Label::BINARY);
  data.mutable_label()->mutable_matures()->set_seconds(86400);
  for (const char* column : numeric) data.add_numeric(column);
  for (const char* column : categorical) data.add_categorical(column);
  data.mutable_lateness()->set_seconds(3600);
  data.mutable_slot()->set_seconds(3600);
  v1::Retrain& retrain = *spec.mutable_retrain();
  v1::DriftTrigger& drift = *retrain.add_when()->mutable_drift();
  drift.set_psi(0.25);
  drift.set_false_alarms(0.01);
  retrain.add_when()->mutable_quality()->set_delta(0.002);
  retrain.mutable_window()->set_seconds(window_days * 86400);
  retrain.set_min_rows(500);
  return spec;
}

struct Asked {
  v1::RequestRecord record;
  v1::LabelRecord labels;
};

// Without values yet; `columns` in the order of the spec, after the time.
inline Asked asked_of(const std::string& id, int64_t time_us, uint32_t rows,
                      std::initializer_list<const char*> columns) {
  Asked out;
  out.record.set_request_id(id);
  out.record.set_version(1);
  out.record.set_event_time_us(time_us);
  out.record.set_rows(rows);
  out.record.add_columns()->set_name("at");
  for (const char* column : columns) out.record.add_columns()->set_name(column);
  out.labels.set_request_id(id);
  out.labels.set_event_time_us(time_us);
  out.labels.set_known_at_us(time_us + kDay);
  return out;
}

inline void count(const v1::RequestRecord& record, drift::CountsBuilder& counts) {
  drift::SlotCounter& slot = counts.at(time_from_micros(record.event_time_us()));
  slot.add_rows(record.rows());
  drift::RowContents contents(record.rows());
  for (size_t f = 0; f < counts.bins().features.size(); ++f) {
    const v1::ColumnValues& column = record.columns(static_cast<int>(f) + 1);
    if (!counts.bins().features[f].categorical()) {
      slot.add_numbers(f, {column.numbers().data(), record.rows()});
      contents.add_numbers(column.name(), {column.numbers().data(), record.rows()});
      continue;
    }
    drift::RowContents::Texts texts = contents.texts(column.name());
    for (int i = 0; i < column.texts_size(); ++i) {
      slot.add_text(f, column.texts(i));
      texts.add(static_cast<size_t>(i), column.texts(i));
    }
  }
  slot.add_contents(contents);
  slot.add_predictions({record.predictions().data(), record.rows()});
}

}  // namespace rekindle::events
