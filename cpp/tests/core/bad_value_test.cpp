// The check finds bad values and their positions.
#include "tft/bad_value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tft/request.h"

namespace tft {
namespace {

struct Arrays {
  ModelShape shape{{{"encoder_cont", ElementType::FLOAT32, {300, 2}},
                    {"encoder_cat", ElementType::INT32, {300, 2}, {8, 2}},
                    {"decoder_cont", ElementType::FLOAT32, {5, 1}},
                    {"decoder_cat", ElementType::INT32, {5, 2}, {8, 2}}},
                   {{"predictions", ElementType::FLOAT32, {5, 3}}}};
  std::vector<float> encoder_cont = std::vector<float>(2 * 600, 1.0F);
  std::vector<std::int32_t> encoder_cat = std::vector<std::int32_t>(2 * 600, 1);
  std::vector<float> decoder_cont = std::vector<float>(2 * 5, -3.0e38F);
  std::vector<std::int32_t> decoder_cat = std::vector<std::int32_t>(2 * 10, 0);

  bool find(BadValue& bad) const {
    const DefaultInputs inputs{encoder_cont.data(), encoder_cat.data(), decoder_cont.data(),
                               decoder_cat.data()};
    return find_bad_value(shape, inputs.list(), 2, bad);
  }
};

TEST(BadValueTest, ValidInputsHaveNoBadValue) {
  BadValue bad;
  EXPECT_FALSE(Arrays().find(bad));
}

TEST(BadValueTest, InfinitiesAndNaNAreFoundWhereverTheyAre) {
  for (const float value :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::nanf("")}) {
    for (const std::size_t index : {0U, 255U, 256U, 700U, 1199U}) {
      Arrays arrays;
      arrays.encoder_cont[index] = value;
      BadValue bad;
      ASSERT_TRUE(arrays.find(bad));
      EXPECT_EQ(bad.input, 0);
      EXPECT_EQ(bad.index, index);
      EXPECT_FALSE(std::isfinite(bad.value));
    }
  }
  Arrays arrays;
  arrays.decoder_cont[9] = std::nanf("");
  BadValue bad;
  ASSERT_TRUE(arrays.find(bad));
  EXPECT_EQ(bad.input, 2);
  EXPECT_EQ(bad.index, 9U);
}

TEST(BadValueTest, ACategoryWithoutKnownCodesAcceptsAnyCode) {
  Arrays arrays;
  arrays.encoder_cat[0] = -5;
  arrays.shape.inputs[1].codes.clear();
  BadValue bad;
  EXPECT_FALSE(arrays.find(bad));
}

TEST(BadValueTest, EachCodeIsCheckedAgainstItsOwnChannel) {
  Arrays arrays;
  arrays.encoder_cat[600] = 7;  // the first channel has 8 codes
  BadValue bad;
  EXPECT_FALSE(arrays.find(bad));
  arrays.encoder_cat[601] = 2;  // the second has 2
  ASSERT_TRUE(arrays.find(bad));
  EXPECT_EQ(bad.input, 1);
  EXPECT_EQ(bad.index, 601U);
  EXPECT_EQ(bad.value, 2);
  arrays.encoder_cat[601] = 0;
  arrays.decoder_cat[18] = -1;
  ASSERT_TRUE(arrays.find(bad));
  EXPECT_EQ(bad.input, 3);
  EXPECT_EQ(bad.index, 18U);
}

}  // namespace
}  // namespace tft
