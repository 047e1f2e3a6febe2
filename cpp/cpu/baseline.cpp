#define TFT_LEVEL_FUNCTIONS baseline_functions
#include "cpu/compute.h"
