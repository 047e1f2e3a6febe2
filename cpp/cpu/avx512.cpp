#define TFT_LEVEL_FUNCTIONS avx512_functions
#include "cpu/compute.h"
