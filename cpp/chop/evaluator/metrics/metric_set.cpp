#include "chop/evaluator/metrics/metric_set.h"

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

constexpr int kMostClasses = 1 << 16;

std::string names_of(const std::vector<MetricOption>& options) {
  std::string text;
  for (const MetricOption& option : options) text += (text.empty() ? "" : ", ") + option.name;
  return text.empty() ? "none" : text;
}

MetricOptions completed(const MetricSpec& spec, const MetricMember& member, int classes) {
  MetricOptions result;
  for (const MetricOption& option : member.options) {
    const auto given = spec.options.find(option.name);
    check(given != spec.options.end() || option.standard, "metric '", spec.name, "': option ", option.name,
          " is missing");
    const int64_t value = given != spec.options.end() ? given->second : *option.standard;
    check(value >= option.least && (!option.at_most_classes || value <= classes), "metric '", spec.name,
          "': ", option.name, " must be ", option.least, option.at_most_classes ? ".." : " or more",
          option.at_most_classes ? std::to_string(classes) : "", ", got ", value);
    result[option.name] = value;
  }
  for (const auto& entry : spec.options)
    check(result.count(entry.first) == 1, "metric '", spec.name, "': option '", entry.first,
          "' is not known; known: ", names_of(member.options));
  return result;
}

Needs either(const Needs& a, const Needs& b) {
  return {a.labels || b.labels,           a.loss || b.loss,     a.row_losses || b.row_losses,
          a.predictions || b.predictions, a.logits || b.logits, a.reference || b.reference};
}

}  // namespace

MetricSet::MetricSet(const std::vector<MetricSpec>& specs, Population population) : population_(std::move(population)) {
  check(population_.classes >= 1 && population_.classes <= kMostClasses, "metrics: classes must be 1..", kMostClasses,
        ", got ", population_.classes);
  needs_.labels = false;
  for (const MetricSpec& spec : specs) {
    const MetricMember& member = metrics().get(spec.name);
    metrics_.push_back(member.make(completed(spec, member, population_.classes), population_));
    const Needs needs = metrics_.back()->needs();
    check(!needs.labels || population_.labelled(), "metric '", spec.name, "' needs labels, and there are none");
    needs_ = either(needs_, needs);
  }
}

std::unique_ptr<Scores> MetricSet::start(int64_t first_row) const {
  check(first_row % kSumRows == 0, "metrics: a chunk must begin at a multiple of ", kSumRows, " rows, got ", first_row);
  return std::unique_ptr<Scores>(new Scores(*this, first_row));
}

Counts MetricSet::counts(const Scores& all) const {
  return {population_.rows, population_.support, all.predicted_, all.correct_};
}

std::vector<MetricValue> MetricSet::values(const Scores& all) const {
  const Counts found = counts(all);
  std::vector<MetricValue> result;
  for (size_t i = 0; i < metrics_.size(); ++i) result.push_back(metrics_[i]->value(found, all.seen_[i].get()));
  return result;
}

Scores::Scores(const MetricSet& set, int64_t first_row) : set_(&set) {
  if (set.population_.labelled()) {
    predicted_.assign(static_cast<size_t>(set.population_.classes), 0);
    correct_ = predicted_;
  }
  for (const auto& metric : set.metrics_) seen_.push_back(metric->start(first_row));
}

void Scores::add(int64_t first_row, int valid, const float* logits, const Label* labels, const float* reference) {
  static constexpr Label kNoLabels[kBlock] = {};
  const Needs& needs = set_->needs_;
  const KernelTable& k = kernels();
  BlockView view{first_row, valid, set_->population_.classes, logits, labels, reference, nullptr, 0.0, nullptr};
  BlockScore score;
  double row_losses[kBlock];
  if (labels && !needs.predictions) {
    view.loss = k.classify_counts(logits, view.classes, labels, valid, needs.loss, predicted_.data(), correct_.data());
  } else if (labels || needs.predictions) {
    k.classify(logits, view.classes, labels ? labels : kNoLabels, valid, needs.loss, &score);
    view.predicted = score.predicted;
    view.loss = score.loss;
  }
  if (labels && needs.predictions)
    for (int s = 0; s < valid; ++s) {
      const auto predicted = static_cast<size_t>(score.predicted[s]);
      ++predicted_[predicted];
      correct_[predicted] += score.predicted[s] == static_cast<int32_t>(labels[s]);
    }
  if (needs.row_losses) {
    k.outputs.row_losses(logits, view.classes, labels, valid, row_losses);
    view.row_losses = row_losses;
  }
  for (const auto& accumulator : seen_)
    if (accumulator) accumulator->add(view);
}

void Scores::merge(const Scores& later) {
  for (size_t c = 0; c < predicted_.size(); ++c) {
    predicted_[c] += later.predicted_[c];
    correct_[c] += later.correct_[c];
  }
  for (size_t i = 0; i < seen_.size(); ++i)
    if (seen_[i]) seen_[i]->merge(*later.seen_[i]);
}

void OrderedScores::put(int64_t chunk, std::unique_ptr<Scores> scores) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace(chunk, std::move(scores));
  for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_; ++next_) {
    joined_->merge(*first->second);
    first = waiting_.erase(first);
  }
}

}  // namespace chop::evaluator
