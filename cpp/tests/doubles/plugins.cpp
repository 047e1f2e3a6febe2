// A library of plugins, as far as whoever loads it can see.
extern "C" __attribute__((visibility("default"))) void* const* getCreators(int& count) {
  count = 0;
  return nullptr;
}
