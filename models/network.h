// What the built-in kinds are made of: layers, the names and shapes of their parameters, and how these
// begin. Everything follows from the model card, so that trainer and predictor cannot disagree.
//
//   linear   logits = bias + W · numeric + sum over categories of an embedding as wide as the outputs
//   tabular  input = numeric ++ embeddings; then ReLU layers with dropout; then the logits
//
// As many logits as the label's kind needs; heads.h says what they mean.
//
// Numeric input is what dataio's transforms give (values and missing indicators); category index 0 is
// the unknown one, whose embedding begins at zero and stays there unless training rows have it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/heads.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::models {

struct Embedding {
  std::string parameter;  // "embedding.carrier"
  int64_t rows = 0;       // values and the unknown one
  int64_t width = 0;
};

struct Layer {
  std::string weight;  // "layer0.weight", shape [outputs, inputs]
  std::string bias;    // "layer0.bias", shape [outputs]
  int64_t inputs = 0;
  int64_t outputs = 0;
};

struct Parameter {
  std::string name;
  std::vector<int64_t> shape;
  int64_t elements() const;
};

struct Network {
  int64_t numeric = 0;  // width of the numeric input
  std::vector<Embedding> embeddings;
  // tabular: all layers, the last with the logits. linear: one layer over the numeric input alone, to
  // whose logits the embeddings are added.
  std::vector<Layer> layers;
  bool additive = false;  // linear
  double dropout = 0;
  Head head;

  std::vector<Parameter> parameters() const;  // sorted by name
  int64_t input_width() const;                // of the first layer
};

// Refuses (invalid_argument) a card without kind or inputs, or with impossible sizes.
Result<Network> network_of(const v1::ModelCard& card);

// Width of a category's embedding: min(limit, 1.6 * values^0.56), at least 1 (fast.ai's rule).
int64_t embedding_width(int64_t values, uint32_t limit);

using Parameters = std::map<std::string, std::vector<float>>;  // by name

// He initialisation (zero output layer and biases) from counters of (seed, name, element): the same
// whatever the world size. The output biases begin where every row is answered with `constant`
// (LabelRule::constant_answer of the training labels).
Parameters initial_parameters(const Network& network, uint64_t seed, const std::vector<double>& constant);
// Of a single output.
inline Parameters initial_parameters(const Network& network, uint64_t seed, double constant) {
  return initial_parameters(network, seed, std::vector<double>{constant});
}

// model.safetensors and back; reading checks every name and shape.
std::string save_parameters(const Network& network, const Parameters& parameters);
Result<Parameters> read_parameters(const Network& network, std::string_view safetensors);

}  // namespace rekindle::models
