// An MPU6050 with four wires (VCC, GND, SDA, SCL) and a USB cable: record gestures with
//     fedmotion record swipe_left --port PORT
#include <Wire.h>
#include <fedmotion_node.h>

void setup()
{
    Serial.begin(500000); // a board with USB of its own takes no notice of the number
    Wire.begin();
    Wire.setClock(400000);
    fedmotion_begin(Serial, Wire, "arduino-api", SDA, SCL);
}

void loop()
{
    fedmotion_poll();
}
