#define TFT_LEVEL_FUNCTIONS avx2_functions
#include "cpu/compute.h"
