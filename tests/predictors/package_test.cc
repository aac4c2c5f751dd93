// Packages: what is refused everywhere, and with the peer's environment (build/peer) one that torch.export
// made of the page's own example.
#include <cmath>
#include <cstdlib>

#include "fixture.h"

namespace rekindle::models::testing {
namespace {

using ::testing::HasSubstr;

v1::ModelCard package_card() {
  v1::ModelCard card;
  card.set_format(1);
  card.set_model("m");
  card.set_time_column("at");
  card.set_output("probability");
  card.mutable_predict()->set_package("model.pt2");
  for (const char* name : {"x", "y"}) {
    card.add_inputs()->set_name(name);
    card.mutable_inputs(card.inputs_size() - 1)->set_type(v1::NUMBER);
  }
  card.add_inputs()->set_name("carrier");
  card.mutable_inputs(2)->set_type(v1::TEXT);
  return card;
}

class Packages : public ::testing::Test {
 protected:
  Packages() : options_(process_options(folder_.path())) {
    out_ = options_.supervisor.folder / "out";
    fs::create_directories(out_);
    write_card(options_.supervisor.folder, package_card());
    options_.supervisor.argv = {bin("rekindle-predict"), "--version", options_.supervisor.folder};
    categories(R"({"carrier": ["UA", "AA"]})");
  }
  void categories(const std::string& json) {
    ASSERT_TRUE(write_file_durably(out_ / "categories.json", json).ok());
  }
  std::string refusal() {
    const auto served = ProcessPredictor::start(package_card(), options_);
    return served.ok() ? "none" : served.status().message();
  }

  TempFolder folder_;
  ProcessOptions options_;
  fs::path out_;
};

TEST_F(Packages, WhatIsNoPackageIsRefused) {
  EXPECT_THAT(refusal(), HasSubstr("the version has no file 'model.pt2' (predict.package)"));
  ASSERT_TRUE(write_file_durably(out_ / "model.pt2", "not a zip").ok());
  EXPECT_THAT(refusal(), HasSubstr("is no AOTInductor package"));
  ASSERT_TRUE(write_file_durably(out_ / "model.pt2", std::string("PK\x05\x06") + std::string(18, '\0')).ok());
  EXPECT_THAT(refusal(), HasSubstr("is no AOTInductor package"));
}

TEST_F(Packages, CategoriesMustBeThere) {
  ASSERT_TRUE(write_file_durably(out_ / "model.pt2", "not a zip").ok());
  categories("[1]");
  EXPECT_THAT(refusal(), HasSubstr("categories.json is no JSON object"));
  categories(R"({"plane": []})");
  EXPECT_THAT(refusal(), HasSubstr("no list of values for 'carrier'"));
  categories(R"({"carrier": [1]})");
  EXPECT_THAT(refusal(), HasSubstr("a value of 'carrier' is no text"));
  fs::remove(out_ / "categories.json");
  EXPECT_THAT(refusal(), HasSubstr("needs categories.json"));
}

class MadePackages : public Packages {
 protected:
  // The page's script, and beside it what eager PyTorch says to three rows.
  void SetUp() override {
    const fs::path python = fs::absolute("build/peer/bin/python");
    if (!fs::exists(python))
      GTEST_SKIP() << "SKIPPED, NOT TESTED: no build/peer (./dev bench makes it); a package cannot be made";
    const std::string script = shown("python").at(1) + R"(
rows = torch.tensor([[1.0, 2.0], [float("nan"), 3.0], [0.5, -0.5]]), torch.tensor([[1], [0], [2]])
open("eager.txt", "w").write(" ".join(str(float(v)) for v in exported.module()(*rows)))
)";
    ASSERT_TRUE(write_file_durably(out_ / "export.py", script).ok());
    const std::string command = "cd " + out_.string() +
                                " && TORCHINDUCTOR_CACHE_DIR=" + (folder_.path() / "cache").string() + " " +
                                python.string() + " export.py 2>log";
    ASSERT_EQ(std::system(command.c_str()), 0) << read_file(out_ / "log").value();
  }
};

TEST_F(MadePackages, AnswerWhatEagerPyTorchAnswers) {
  auto served = ProcessPredictor::start(package_card(), options_);
  ASSERT_TRUE(served.ok()) << served.status().message();
  const Predictor& predictor = **served;
  dataio::Table rows;
  rows.add(dataio::number_column("x", {1, NAN, 0.5}));
  rows.add(dataio::number_column("y", {2, 3, -0.5}));
  rows.add(dataio::text_column("carrier", std::vector<std::string>{"UA", "never seen", "AA"}));
  const auto got = predictor.predict(rows);
  ASSERT_TRUE(got.ok()) << got.status().message();
  std::istringstream eager(read_file(out_ / "eager.txt").value());
  for (const double value : got->values) {
    double want = 0;
    eager >> want;
    EXPECT_NEAR(value, want, 1e-6);
  }
  // A missing category is an unknown one, one row is as good as three, and no rows give no answers.
  rows.find("carrier")->codes[1] = dataio::kMissingText;
  EXPECT_EQ(predictor.predict(rows)->values, got->values);
  for (uint32_t row = 0; row < 3; ++row) {
    const uint32_t picked[] = {row};
    EXPECT_NEAR(predictor.predict(dataio::take(rows, picked))->values.at(0), got->values[row], 1e-6);
  }
  EXPECT_TRUE(predictor.predict(dataio::take(rows, std::span<const uint32_t>()))->values.empty());
  rows.columns.pop_back();
  EXPECT_THAT(predictor.predict(rows).status().message(), HasSubstr("carrier"));
}

}  // namespace
}  // namespace rekindle::models::testing
