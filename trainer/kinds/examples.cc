#include "trainer/kinds/examples.h"

#include <fmt/format.h>

namespace rekindle::trainer {
namespace {

Result<const dataio::Column*> input_column(const v1::ModelCard& card, const dataio::Table& rows,
                                           v1::ColumnType type, std::string_view field) {
  const v1::Column* input = input_of_type(card, type);
  if (input == nullptr)
    return invalid_argument(fmt::format("the model card names no column of {}: say {} in the spec",
                                        dataio::type_word(type), field));
  return rows.get(input->name(), type);
}

Status check_tokens(const dataio::Column& column, uint32_t vocabulary) {
  for (size_t row = 0; row < column.rows(); ++row) {
    if (column.missing(row)) continue;
    for (const int32_t token : *column.lists[row])
      if (token < 0 || static_cast<uint32_t>(token) >= vocabulary)
        return invalid_argument(
            fmt::format("column '{}', row {}: token {} is not below train.model.transformer.vocabulary, {}",
                        column.name, row, token, vocabulary));
  }
  return ok_status();
}

}  // namespace

const v1::Column* input_of_type(const v1::ModelCard& card, v1::ColumnType type) {
  for (const v1::Column& input : card.inputs())
    if (input.type() == type) return &input;
  return nullptr;
}

Result<Examples> make_examples(const v1::ModelCard& card, const dataio::Table& rows,
                               const std::function<void()>& advance) {
  Examples out;
  const v1::Model& kind = card.kind();
  if (kind.has_cnn()) {
    const dataio::Column* column = TRY(input_column(card, rows, v1::BYTES, "data.image"));
    out.images = TRY(dataio::decode_rows(*column, {kind.cnn().size(), kind.cnn().gray() ? 1u : 3u}, advance));
  } else if (kind.has_transformer()) {
    const dataio::Column* column = TRY(input_column(card, rows, v1::TOKENS, "data.tokens"));
    TRY_STATUS(check_tokens(*column, kind.transformer().vocabulary()));
    out.tokens = column->lists;
  } else {
    const dataio::Encoder encoder = TRY(dataio::Encoder::make(card.transforms()));
    TRY_STATUS(encoder.encode(rows, out.encoded));
  }
  return out;
}

}  // namespace rekindle::trainer
