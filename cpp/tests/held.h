// Runs that wait while the file exists that TFT_HELD_WHILE names: a test, not the machine, decides what is
// running.
#pragma once
#include <unistd.h>

#include <cstdlib>

inline void wait_while_held() {
  constexpr unsigned kPauseUs = 500;
  const char* const file = std::getenv("TFT_HELD_WHILE");
  while (file != nullptr && ::access(file, F_OK) == 0) ::usleep(kPauseUs);
}
