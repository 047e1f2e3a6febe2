// What tft-server reads and writes: numbers, bodies, encodings, settings.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>

#include "server/encoding.h"
#include "server/json_body.h"
#include "server/json_text.h"
#include "server/settings.h"

namespace tft::server {
namespace {

class Formats : public ::testing::Test {
 protected:
  NumberArray read(const std::string& text) {
    return read_number_array(text, 0, "'data'", 1 << 20, holding_);
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const HttpError& error) {
      return error.what();
    }
    return "";
  }

  Budget budget_{1 << 30};
  Holding holding_{budget_};
};

TEST_F(Formats, EveryDoubleReadsAsTheNumberThatItIs) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    char text[64];
    // Digits that are enough, digits that are not, and more than are needed.
    std::snprintf(text, sizeof text, "[%.*g]", 1 + static_cast<int>(random() % 20), value);
    ASSERT_EQ(read(text).values.front(), std::strtod(text + 1, nullptr)) << text;
  }
}

TEST_F(Formats, NumbersOfEveryLengthAreRoundedCorrectly) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 100'000; ++i) {
    std::string text = std::to_string(random() % 1000) + ".";
    for (int digits = 1 + static_cast<int>(random() % 25); digits > 0; --digits)
      text += static_cast<char>('0' + random() % 10);
    if (random() % 3 == 0) text += "e" + std::to_string(static_cast<int>(random() % 60) - 30);
    ASSERT_EQ(read("[" + text + "]").values.front(), std::strtod(text.c_str(), nullptr)) << text;
  }
}

TEST_F(Formats, NumbersBeyondADoubleAreInfiniteOrZero) {
  EXPECT_EQ(read("[1e400]").values.front(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(read("[-1e400]").values.front(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(read("[1e-400]").values.front(), 0);
  EXPECT_EQ(read("[0.0e99999999999]").values.front(), 0);
}

TEST_F(Formats, TheShapeIsThatOfTheBrackets) {
  EXPECT_EQ(read("[[1, 2, 3], [4, 5, 6]]").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(read("[]").shape, (std::vector<std::int64_t>{0}));
  EXPECT_EQ(read("[1,2]]").end, 5U);
  for (const char* uneven : {"[[1],[2,3]]", "[1,[2]]", "[[1],2]", "[[],[1]]"})
    EXPECT_NE(refusal(uneven).find("rows differ"), std::string::npos) << uneven;
  for (const char* bad :
       {"[01]", "[1,]", "[+1]", "[.5]", "[1.]", "[1e]", "[--1]", "[NaN]", "[\"1\"]", "[null]"})
    EXPECT_NE(refusal(bad).find("expected"), std::string::npos) << bad;
  EXPECT_NE(refusal("[1,2").find("ends inside"), std::string::npos);
}

TEST_F(Formats, WrittenNumbersReadBackAsTheSameFloat) {
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    std::string text;
    append_number(text, value);
    if (std::isfinite(value))
      ASSERT_EQ(static_cast<float>(read("[" + text + "]").values.front()), value == 0 ? 0.0F : value) << text;
    else
      ASSERT_EQ(text, "null");
  }
}

TEST_F(Formats, WhatIsPackedUnpacks) {
  const std::string text(300'000, 'x');
  for (const Encoding encoding : {Encoding::GZIP, Encoding::BR, Encoding::DEFLATE}) {
    const std::string packed = pack(text, encoding);
    EXPECT_EQ(unpack(packed, encoding, text.size(), holding_), text);
    EXPECT_THROW(unpack(packed, encoding, text.size() - 1, holding_), HttpError);
    EXPECT_THROW(unpack(packed + "more", encoding, text.size(), holding_), HttpError);
    EXPECT_THROW(unpack(packed.substr(0, packed.size() / 2), encoding, text.size(), holding_), HttpError);
    EXPECT_THROW(unpack("", encoding, text.size(), holding_), HttpError);
  }
}

Settings settings_of(std::vector<std::string> arguments, std::vector<std::string> variables = {}) {
  arguments.insert(arguments.begin(), "tft-server");
  std::vector<char*> argv;
  std::vector<char*> environment;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  return read_settings(static_cast<int>(argv.size()), argv.data(), environment.data());
}

TEST(ServerSettings, AFlagWinsOverTheEnvironment) {
  const Settings settings = settings_of({"--model", "a", "--port=3", "--no-compress"},
                                        {"TFT_SERVE_PORT=2", "TFT_SERVE_QUEUE_LIMIT=9",
                                         "TFT_SERVE_API_KEYS= a-key-of-16-chars, b-key-of-16-chars"});
  EXPECT_EQ(settings.port, 3);
  EXPECT_EQ(settings.queue_limit, 9);
  EXPECT_FALSE(settings.compress);
  EXPECT_EQ(settings.api_keys, (std::vector<std::string>{"a-key-of-16-chars", "b-key-of-16-chars"}));
  EXPECT_EQ(print_settings(settings).find("a-key-of"), std::string::npos);
}

TEST(ServerSettings, AMistakeNamesTheSettingAndWhereItCameFrom) {
  const auto message = [](std::vector<std::string> arguments, std::vector<std::string> variables = {}) {
    try {
      settings_of(std::move(arguments), std::move(variables));
    } catch (const SettingError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message({"--model", "a", "--port", "high"}).find("port (from --port): "), 0U);
  EXPECT_EQ(
      message({"--model", "a"}, {"TFT_SERVE_QUEUE_LIMIT=-5"}).find("queueLimit (from TFT_SERVE_QUEUE_LIMIT)"),
      0U);
  EXPECT_NE(message({"--model", "a"}, {"TFT_SERVE_PROT=1"}).find("TFT_SERVE_PROT is no setting"),
            std::string::npos);
  EXPECT_NE(message({"--model", "a", "--prot", "1"}).find("no option --prot"), std::string::npos);
  EXPECT_NE(message({"--model", "a", "--host", "0.0.0.0"}).find("no API keys"), std::string::npos);
  EXPECT_NE(message({}).find("model: is missing"), std::string::npos);
  const std::string secret = message({"--model", "a"}, {"TFT_SERVE_API_KEYS=secret"});
  EXPECT_NE(secret.find("16 to 256"), std::string::npos);
  EXPECT_EQ(secret.find("secret"), std::string::npos);
  EXPECT_EQ(
      message({"--model", "a"}, {"TFT_SERVE_PORT=tcp://10.0.0.7:8000", "TFT_SERVE_SERVICE_HOST=10.0.0.7"}),
      "");
}

}  // namespace
}  // namespace tft::server
