"""What both runtimes do with a plugin's class: find its methods, bind parameters, check its reports, tell its errors."""
