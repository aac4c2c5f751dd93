/* A model of one's own for rekindle: logistic regression over numbers and categories, for binary labels.
 *
 *   make CPPFLAGS=-I.../trainer/plugin     (the folder of rekindle_plugin.h)
 *
 * The option `start` is the bias that training begins with. */
#include "rekindle_plugin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int64_t numeric, categorical;
  int64_t* first; /* row of each category's first value in the table of weights */
  float start;
  rekindle_parameter parameters[3];
} model;

static const char* wide_open(const rekindle_problem* problem, void** out) {
  if (problem->label != REKINDLE_BINARY) return "this example answers binary labels alone";
  model* m = calloc(1, sizeof *m);
  int64_t values = 1; /* a table of at least one row, so that its shape is one */
  m->numeric = problem->numeric;
  m->categorical = problem->categorical;
  m->first = calloc((size_t)problem->categorical + 1, sizeof *m->first);
  for (int64_t c = 0; c < problem->categorical; ++c) {
    m->first[c] = values;
    values += problem->categories[c];
  }
  for (int32_t i = 0; i < problem->options; ++i) {
    if (strcmp(problem->option_names[i], "start") != 0) {
      free(m->first);
      free(m);
      return "the one option is `start`";
    }
    m->start = strtof(problem->option_values[i], NULL);
  }
  m->parameters[0] = (rekindle_parameter){"bias", 1, {1}};
  m->parameters[1] = (rekindle_parameter){"numbers", 1, {m->numeric + 1}}; /* the last one is not used */
  m->parameters[2] = (rekindle_parameter){"categories", 2, {values, 1}};
  *out = m;
  return NULL;
}

static void wide_close(void* opened) {
  model* m = opened;
  free(m->first);
  free(m);
}

static const char* wide_parameters(void* opened, const rekindle_parameter** out, int64_t* count) {
  *out = ((model*)opened)->parameters;
  *count = 3;
  return NULL;
}

static const char* wide_start(void* opened, uint64_t seed, float* const* values) {
  (void)seed; /* all weights begin at 0, as they are given */
  values[0][0] = ((model*)opened)->start;
  return NULL;
}

static double logit(const model* m, const float* const* values, const rekindle_batch* batch, int64_t row) {
  double sum = values[0][0];
  for (int64_t i = 0; i < m->numeric; ++i) sum += values[1][i] * batch->numeric[row * m->numeric + i];
  for (int64_t c = 0; c < m->categorical; ++c)
    sum += values[2][m->first[c] + batch->categorical[row * m->categorical + c]];
  return sum;
}

static const char* wide_loss(void* opened, const float* const* values, const rekindle_batch* batch, double scale,
                             float* const* gradients, double* loss) {
  const model* m = opened;
  *loss = 0;
  for (int64_t row = 0; row < batch->rows; ++row) {
    const double z = logit(m, values, batch, row), y = batch->targets[row];
    *loss += fmax(z, 0) - z * y + log1p(exp(-fabs(z)));
    const double slope = scale * (1 / (1 + exp(-z)) - y);
    gradients[0][0] += (float)slope;
    for (int64_t i = 0; i < m->numeric; ++i)
      gradients[1][i] += (float)(slope * batch->numeric[row * m->numeric + i]);
    for (int64_t c = 0; c < m->categorical; ++c)
      gradients[2][m->first[c] + batch->categorical[row * m->categorical + c]] += (float)slope;
  }
  return NULL;
}

static const char* wide_outputs(void* opened, const float* const* values, const rekindle_batch* batch, float* out) {
  for (int64_t row = 0; row < batch->rows; ++row) out[row] = (float)logit(opened, values, batch, row);
  return NULL;
}

const rekindle_plugin_table* rekindle_plugin(void) {
  static const rekindle_plugin_table table = {
      REKINDLE_PLUGIN_VERSION, sizeof(rekindle_plugin_table), wide_open, wide_close, wide_parameters, wide_start,
      wide_loss, wide_outputs};
  return &table;
}
