// One JSON tensor of the Open Inference Protocol as a column. For infer.cc alone.
#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "dataio/table.h"

namespace rekindle::models {

// Views into the JSON document.
struct TensorHead {
  std::string_view name;
  std::string_view datatype;
  size_t rows = 0;
  size_t width = 1;               // values of a row: more than one for tokens alone
  std::string_view content_type;  // parameters.content_type; empty: not said
  const boost::json::array* data = nullptr;
};

// Name, datatype and shape, [n] or [n,m] with n, m > 0; `data` holds n * m values or n arrays of m.
Result<TensorHead> read_tensor_head(const boost::json::value& tensor);

// Appends the values to `column`, whose type says which datatypes are right.
Status read_tensor(const TensorHead& head, size_t text_bytes_max, dataio::Column& column);

}  // namespace rekindle::models
