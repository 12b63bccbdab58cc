// All numbers, in the order in which they came; NaN included, but counted.
#include "chop/statistics/samples.h"
#include "chop/statistics/statistic.h"

namespace chop::statistics {
namespace {

class Record : public Statistic {
 protected:
  void begin(int64_t groups) override {
    check(groups == 1, "record: takes every tensor as one group");
    samples_.reset(groups);
  }
  void add(const Values& values) override {
    values.visit([&](const auto* data) { samples_.add(data, values.rows, false); });
  }
  void join(const Statistic& other) override { samples_.merge(static_cast<const Record&>(other).samples_); }

  Result result() const override {
    Field data{"data", {}, samples_.rows()};
    data.values.reserve(static_cast<size_t>(samples_.rows()));
    int64_t nan = 0;
    samples_.visit([&](const auto& pieces) {
      for (const auto& piece : pieces.pieces())
        for (int64_t i = 0; i < piece.size; ++i) {
          data.values.push_back(static_cast<double>(piece.data[i]));
          nan += piece.data[i] != piece.data[i];
        }
    });
    return {{std::move(data)}, {samples_.rows() - nan}, {nan}};
  }

 private:
  Samples samples_;
};

[[maybe_unused]] const bool registered =
    registry().add("record", {{}, [](const Arguments&) { return std::make_unique<Record>(); }});

}  // namespace
}  // namespace chop::statistics
