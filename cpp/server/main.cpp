// tft-server: serves a model over HTTP, without Node. docs/server.md describes it.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "server/log.h"
#include "server/server.h"
#include "server/settings.h"

extern char** environ;

int main(int argc, char** argv) {
  using namespace tft::server;
  // A client that has left is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const Settings settings = read_settings(argc, argv, environ);
    if (settings.help || settings.print_config) {
      std::fputs((settings.help ? help_text() : print_settings(settings)).c_str(), stdout);
      return EXIT_SUCCESS;
    }
    ServerLog log(settings.log_level);
    int status = EXIT_SUCCESS;
    {
      Server server(settings, log);
      status = server.run();
      // Requests that were cut off still hold their model; its memory goes with the process.
      if (status != EXIT_SUCCESS || server.is_loading()) {
        log.flush();
        std::_Exit(status);
      }
    }
    // The last lines may have no reader.
    if (!log.flush()) std::_Exit(status);
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tft-server: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
