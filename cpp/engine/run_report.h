// The times of one run of a batch.
#pragma once

namespace tft {

struct RunReport {
  double copy_in_us = 0, run_us = 0, copy_out_us = 0;
  int bucket = 0;
  bool graph = false;  // launched as a graph
};

}  // namespace tft
