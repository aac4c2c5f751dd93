#include "backtest/trees/lightgbm.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cmath>

#include "base/check.h"

namespace rekindle::backtest {
namespace {

// Of LightGBM's C interface, which has been stable since its release 2.
using Handle = void*;
constexpr int kFloat32 = 0, kFloat64 = 1, kNormalAnswers = 0;

constexpr int kRoundsMax = 500, kPatience = 30;

constexpr const char* kInstall =
    "pip install lightgbm, into the environment that LibTorch is in, installs it";

struct Closer {
  int (*close)(Handle);
  void operator()(void* handle) const { close(handle); }
};
using Owned = std::unique_ptr<void, Closer>;

std::string data_words(const TreeRows& rows) {
  std::string out = "feature_pre_filter=false verbosity=-1";
  for (size_t i = 0; i < rows.categories; ++i)
    out += fmt::format("{}{}", i == 0 ? " categorical_feature=" : ",", rows.columns - rows.categories + i);
  return out;
}

std::string fit_words(const TreeGoal& goal) {
  const std::string what =
      goal.kind == TreeGoal::Kind::kBinary ? "objective=binary metric=binary_logloss"
      : goal.kind == TreeGoal::Kind::kRegression
          ? std::string("objective=regression metric=l2")
          : fmt::format("objective=multiclass metric=multi_logloss num_class={}", goal.classes);
  return fmt::format("{} seed={} deterministic=true force_row_wise=true verbosity=-1", what,
                     goal.seed % 1'000'000'007);
}

}  // namespace

struct LightGbm::Calls {
  const char* (*last_error)() = nullptr;
  int (*dataset_of)(const void*, int, int32_t, int32_t, int, const char*, Handle, Handle*) = nullptr;
  int (*set_field)(Handle, const char*, const void*, int, int) = nullptr;
  int (*free_dataset)(Handle) = nullptr;
  int (*create)(Handle, const char*, Handle*) = nullptr;
  int (*free_booster)(Handle) = nullptr;
  int (*add_valid)(Handle, Handle) = nullptr;
  int (*update)(Handle, int*) = nullptr;
  int (*evaluate)(Handle, int, int*, double*) = nullptr;
  int (*save)(Handle, int, int, int, int64_t, int64_t*, char*) = nullptr;
  int (*load)(const char*, int*, Handle*) = nullptr;
  int (*predict)(Handle, const void*, int, int32_t, int32_t, int, int, int, int, const char*, int64_t*,
                 double*) = nullptr;

  Status check(int code, const char* what) const {
    if (code == 0) return ok_status();
    return internal_error(fmt::format("LightGBM failed {}: {}", what, last_error()));
  }
  Result<Owned> dataset(const LabelledTreeRows& from, Handle reference) const {
    Handle handle = nullptr;
    TRY_STATUS(check(dataset_of(from.rows.values.data(), kFloat64, static_cast<int32_t>(from.rows.rows()),
                                static_cast<int32_t>(from.rows.columns), 1, data_words(from.rows).c_str(),
                                reference, &handle),
                     "at reading rows"));
    Owned owned(handle, Closer{free_dataset});
    TRY_STATUS(
        check(set_field(handle, "label", from.labels.data(), static_cast<int>(from.labels.size()), kFloat32),
              "at reading labels"));
    return owned;
  }
  // Rounds up to the best one.
  Result<int> add_rounds(Handle booster) const {
    double best = HUGE_VAL;
    int best_round = 0;
    for (int round = 1; round <= kRoundsMax && round - best_round <= kPatience; ++round) {
      int finished = 0;
      TRY_STATUS(check(update(booster, &finished), "at a round"));
      if (finished != 0) break;
      int count = 0;
      double loss = HUGE_VAL;
      TRY_STATUS(check(evaluate(booster, 1, &count, &loss), "at judging a round"));
      if (loss < best) {
        best = loss;
        best_round = round;
      }
    }
    return std::max(best_round, 1);
  }
  Result<std::string> text(Handle booster, int rounds) const {
    int64_t length = 0;
    std::string out(1 << 20, '\0');
    for (;;) {
      TRY_STATUS(check(save(booster, 0, rounds, 0, static_cast<int64_t>(out.size()), &length, out.data()),
                       "at writing the model"));
      const bool whole = length <= static_cast<int64_t>(out.size());
      // The length counts the zero at the end.
      out.resize(static_cast<size_t>(whole ? length - 1 : length));
      if (whole) return out;
    }
  }
};

Result<LightGbm> LightGbm::open(const std::string& library) {
  std::vector<std::string> places{library};
  if (library == "auto") {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    places = {(self.parent_path().parent_path() / "lib/site-packages/lightgbm/lib/lib_lightgbm.so").string(),
              "lib_lightgbm.so"};
  }
  void* handle = nullptr;
  std::string why;
  for (const std::string& place : places) {
    handle = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) break;
    const char* said = ::dlerror();
    why += (why.empty() ? "" : "; ") + std::string(said == nullptr ? place : said);
  }
  if (handle == nullptr) return not_found(fmt::format("LightGBM cannot be loaded ({}): {}", why, kInstall));
  const auto calls = std::make_shared<Calls>();
  const char* missing = nullptr;
  const auto bind = [&](auto& call, const char* name) {
    call = reinterpret_cast<std::remove_reference_t<decltype(call)>>(::dlsym(handle, name));
    if (call == nullptr) missing = name;
  };
  bind(calls->last_error, "LGBM_GetLastError");
  bind(calls->dataset_of, "LGBM_DatasetCreateFromMat");
  bind(calls->set_field, "LGBM_DatasetSetField");
  bind(calls->free_dataset, "LGBM_DatasetFree");
  bind(calls->create, "LGBM_BoosterCreate");
  bind(calls->free_booster, "LGBM_BoosterFree");
  bind(calls->add_valid, "LGBM_BoosterAddValidData");
  bind(calls->update, "LGBM_BoosterUpdateOneIter");
  bind(calls->evaluate, "LGBM_BoosterGetEval");
  bind(calls->save, "LGBM_BoosterSaveModelToString");
  bind(calls->load, "LGBM_BoosterLoadModelFromString");
  bind(calls->predict, "LGBM_BoosterPredictForMat");
  if (missing != nullptr)
    return not_found(fmt::format("{} is no LightGBM: it has no {}; {}", library, missing, kInstall));
  return LightGbm(calls);
}

Result<std::string> LightGbm::fit(const LabelledTreeRows& train, const LabelledTreeRows& valid,
                                  const TreeGoal& goal) const {
  const Owned rows = TRY(calls_->dataset(train, nullptr));
  const Owned held = TRY(calls_->dataset(valid, rows.get()));
  Handle handle = nullptr;
  TRY_STATUS(calls_->check(calls_->create(rows.get(), fit_words(goal).c_str(), &handle), "at the start"));
  const Owned booster(handle, Closer{calls_->free_booster});
  TRY_STATUS(calls_->check(calls_->add_valid(handle, held.get()), "at taking the validation rows"));
  const int rounds = TRY(calls_->add_rounds(handle));
  return calls_->text(handle, rounds);
}

Result<std::vector<double>> LightGbm::predict(const std::string& model, const TreeRows& rows,
                                              size_t outputs) const {
  int rounds = 0;
  Handle handle = nullptr;
  TRY_STATUS(calls_->check(calls_->load(model.c_str(), &rounds, &handle), "at reading a model"));
  const Owned booster(handle, Closer{calls_->free_booster});
  std::vector<double> out(rows.rows() * outputs);
  if (out.empty()) return out;
  int64_t length = 0;
  TRY_STATUS(calls_->check(
      calls_->predict(handle, rows.values.data(), kFloat64, static_cast<int32_t>(rows.rows()),
                      static_cast<int32_t>(rows.columns), 1, kNormalAnswers, 0, 0, "", &length, out.data()),
      "at answering"));
  CHECK(length == static_cast<int64_t>(out.size()), "as many answers as rows and outputs");
  return out;
}

}  // namespace rekindle::backtest
