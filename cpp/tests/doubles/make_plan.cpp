// make_plan FILE [MAX_BATCH [SEED]]: writes a plan with the demo model's tensors for libnvinfer's double.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "plan.h"

int main(int count, char** arguments) {
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "usage: make_plan FILE [MAX_BATCH [SEED]]\n");
    return 2;
  }
  const std::int64_t max_batch = count > 2 ? std::atoll(arguments[2]) : 32;
  const auto seed = static_cast<std::uint32_t>(count > 3 ? std::atoll(arguments[3]) : 7);
  std::ofstream file(arguments[1], std::ios::binary);
  file << doubles::write_plan(doubles::demo_plan({max_batch}, seed));
  file.close();
  return file ? 0 : 1;
}
