// Lets the addon load where libstdc++ is GCC 11's, as on Red Hat 9 and Amazon Linux 2023.
//
// GCC 12 gave std::condition_variable::wait a new symbol version, the only one that GCC 11's library does not
// have. The linker's option --wrap sends all calls to the function below, which calls the older version: the
// same function, and every libstdc++ has it.
#include <features.h>  // defines __GLIBC__

#if defined(__GLIBC__)
__asm__(".symver tft_older_wait,_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");

extern "C" {
void tft_older_wait(void* condition, void* lock);
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(void* condition, void* lock);  // NOLINT

void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(void* condition,  // NOLINT
                                                                      void* lock) {
  tft_older_wait(condition, lock);
}
}
#endif
