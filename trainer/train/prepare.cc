#include "trainer/train/prepare.h"

#include "dataio/transforms.h"
#include "models/heads.h"
#include "trainer/publish/publish.h"
#include "trainer/trainable.h"

namespace rekindle::trainer {
namespace {

// Numbers beyond these quantiles of the training rows count as these: a month of winter says little about a
// summer's day, and the few warm days in it say it loudly.
constexpr double kClipShare = 0.02;

}  // namespace

Result<Prepared> prepare(Context& context) {
  context.reporter.phase(v1::PHASE_DATA);
  Prepared out;
  out.rows = TRY(read_run_rows(context.store, context.plan));
  context.reporter.advance();
  const auto& spec = context.plan.spec();
  dataio::FitOptions options;
  options.clip_share = kClipShare;
  out.card = model_card(spec, TRY(dataio::fit(spec.data(), out.rows.train.rows, options)));
  *out.card.mutable_transforms()->mutable_label() =
      models::fit_label(spec.data().label(), out.rows.train.labels);
  const auto advance = [&context] { context.reporter.advance(); };
  out.data.train = TRY(make_examples(out.card, out.rows.train.rows, advance));
  out.data.valid = TRY(make_examples(out.card, out.rows.valid.rows, advance));
  out.data.train.labels = out.rows.train.labels;
  out.data.valid.labels = out.rows.valid.labels;
  const auto& train = out.data.train.encoded;
  TRY_STATUS(trainable(train, out.rows.train.size(), out.card.transforms(), context.collectives.size()));
  for (const auto& column : constant_columns(train, out.card.transforms()))
    context.reporter.note("column '" + column + "' has one value in all training rows");
  context.reporter.advance();
  return out;
}

}  // namespace rekindle::trainer
