# For node-gyp and what is made of it (node-gyp-build, prebuildify): hands over to CMakeLists.txt, the one build.
{
  'targets': [
    {
      'target_name': 'tft_tensorrt',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          # Whether something changed is CMake's to know: no file of this name ever comes into being, so the
          # action runs each time.
          'inputs': ['CMakeLists.txt'],
          'outputs': ['<(PRODUCT_DIR)/always'],
          'action': [
            'node', 'scripts/build-native.mjs', '<(PRODUCT_DIR)',
          ],
        },
      ],
    },
  ],
}
