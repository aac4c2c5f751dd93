// The C interface of the model kind `plugin`: a model of your own in a shared library, trained, judged and
// served by rekindle. Version 1.
//
// The library exports one function, `rekindle_plugin`, which returns the table below. All memory is the
// caller's but what `parameters` returns, which lives until `close`. Buffers are plain, row-major and never
// overlap; a library must write nothing outside of them. Functions return NULL, or a message that ends the
// attempt; the message must stay readable until the next call. Calls for one model come one at a time.
//
// Ranks train together: a loss is a plain sum over the rows of a batch, so `loss` must neither mix rows nor
// keep state between calls, and what chance decides must follow from `seed`, `step` and the row's number in
// the batch of all ranks (`first_row` + its place). Then every number of ranks trains the same model, and a
// run that was killed ends as one that was not.
#ifndef REKINDLE_PLUGIN_H
#define REKINDLE_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REKINDLE_PLUGIN_VERSION 1
#define REKINDLE_PLUGIN_DIMENSIONS 8

enum rekindle_label {
  REKINDLE_BINARY = 1,     /* one output, the logit; targets 0 or 1 */
  REKINDLE_MULTICLASS = 2, /* a logit a class; the target is the class's number */
  REKINDLE_REGRESSION = 3, /* one output, the value; targets are standardised: mean 0, deviation 1 */
  REKINDLE_MULTILABEL = 4  /* a logit a class; targets 0 or 1 for each */
};

/* What the job's spec and its training rows say. Strings and arrays live until `open` returns. */
typedef struct rekindle_problem {
  int64_t numeric;           /* scaled numbers of a row, missing indicators among them */
  int64_t categorical;       /* categories of a row */
  const int64_t* categories; /* [categorical]: values that each may have, from 0; 0 is unknown or missing */
  int64_t outputs;           /* raw outputs of a row */
  int64_t targets;           /* targets of a row */
  int32_t label;             /* enum rekindle_label */
  int32_t options;           /* train.model.plugin.options */
  const char* const* option_names;
  const char* const* option_values;
} rekindle_problem;

typedef struct rekindle_parameter {
  const char* name;
  int32_t dimensions; /* 0 to REKINDLE_PLUGIN_DIMENSIONS */
  int64_t shape[REKINDLE_PLUGIN_DIMENSIONS];
} rekindle_parameter;

typedef struct rekindle_batch {
  int64_t rows;
  const float* numeric;       /* [rows, numeric] */
  const int64_t* categorical; /* [rows, categorical] */
  const float* targets;       /* [rows, targets]; NULL for outputs */
  uint64_t seed, step, first_row;
} rekindle_batch;

typedef struct rekindle_plugin_table {
  uint32_t version; /* REKINDLE_PLUGIN_VERSION */
  uint32_t bytes;   /* sizeof(rekindle_plugin_table) */

  const char* (*open)(const rekindle_problem* problem, void** model);
  void (*close)(void* model);

  /* The model's parameters, in the order in which all other calls take them. */
  const char* (*parameters)(void* model, const rekindle_parameter** out, int64_t* count);

  /* Values at the start of a fit; the same for the same seed. `values[i]` has room for parameter i. */
  const char* (*start)(void* model, uint64_t seed, float* const* values);

  /* The sum of the rows' losses into `loss`; its derivative by parameter i, times `scale`, is ADDED to
   * gradients[i]. */
  const char* (*loss)(void* model, const float* const* values, const rekindle_batch* batch, double scale,
                      float* const* gradients, double* loss);

  /* Raw outputs [rows, outputs]; rekindle turns logits into probabilities. */
  const char* (*outputs)(void* model, const float* const* values, const rekindle_batch* batch, float* out);
} rekindle_plugin_table;

const rekindle_plugin_table* rekindle_plugin(void);

#ifdef __cplusplus
}
#endif

#endif
