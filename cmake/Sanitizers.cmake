# TFT_SANITIZE=address adds AddressSanitizer and UndefinedBehaviorSanitizer to every target, thread adds ThreadSanitizer.
# A finding ends the program: there is nothing to recover to; lines are all that it needs of debugging information. The
# vptr check must stay off: TensorRT's classes are compiled here under other namespaces than in the library whose objects
# they call.
if(TFT_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
elseif(TFT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  # GCC says that fences are unknown to ThreadSanitizer; what relies on a fence is then reported at run time.
  add_compile_options(-Wno-tsan)
  add_link_options(-fsanitize=thread)
elseif(TFT_SANITIZE)
  message(FATAL_ERROR "TFT_SANITIZE is '${TFT_SANITIZE}': leave it empty, or take 'address' or 'thread'")
endif()
