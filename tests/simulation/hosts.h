// The nodes of the pool, as the simulator plays them: they die and come back, are cordoned and opened again.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "core/place/cluster.h"
#include "tests/simulation/dice.h"

namespace rekindle::core::testing {

class Hosts {
 public:
  explicit Hosts(Dice& dice);

  // What the coordinator knows of them: late now and then.
  std::shared_ptr<const place::Cluster> cluster() const { return known_; }
  // Nodes that have just died: what ran there is gone.
  std::set<std::string> pass(bool healthy);
  int deaths() const { return deaths_; }

 private:
  void tell();

  Dice& dice_;
  place::Pool pool_;
  std::set<std::string> dead_, cordoned_;
  std::shared_ptr<const place::Cluster> known_;
  int deaths_ = 0;
};

}  // namespace rekindle::core::testing
