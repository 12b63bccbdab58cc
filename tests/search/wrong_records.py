"""Lines that no journal may hold, each with what is wrong in it."""

from __future__ import annotations

WRONG = {
    "not JSON": b"garbage\n",
    "empty line": b"\n",
    "binary": bytes(range(128, 256)) + b"\n",
    "zeros": bytes(40) + b"\n",
    "a number": b"7\n",
    "a list": b"[]\n",
    "nothing in it": b"{}\n",
    "deep": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "unknown operation": b'{"op_code":99,"worker_id":"w"}\n',
    "operation as text": b'{"op_code":"0","worker_id":"w"}\n',
    "operation true": b'{"op_code":true,"worker_id":"w","study_id":0}\n',
    "huge operation": b'{"op_code":1' + b"0" * 5000 + b',"worker_id":"w"}\n',
    "no worker": b'{"op_code":1,"study_id":0}\n',
    "no study": b'{"op_code":2,"worker_id":"w","user_attr":{"a":1}}\n',
    "study that is not there": b'{"op_code":1,"worker_id":"w","study_id":7}\n',
    "negative study": b'{"op_code":1,"worker_id":"w","study_id":-1}\n',
    "study as a list": b'{"op_code":1,"worker_id":"w","study_id":[0]}\n',
    "trial that is not there": b'{"op_code":8,"worker_id":"w","trial_id":55,"user_attr":{"a":1}}\n',
    "huge trial": b'{"op_code":8,"worker_id":"w","trial_id":1180591620717411303424,"user_attr":{"a":1}}\n',
    "trial as text": b'{"op_code":8,"worker_id":"w","trial_id":"0","user_attr":{"a":1}}\n',
    "two attributes": b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"a":1,"b":2}}\n',
    "a key twice": b'{"op_code":8,"worker_id":"w","trial_id":0,"trial_id":1,"user_attr":{"a":1}}\n',
    "directions": b'{"op_code":0,"worker_id":"w","study_name":"t","directions":[5]}\n',
    "directions as text": b'{"op_code":0,"worker_id":"w","study_name":"t","directions":"12"}\n',
    "name of a study": b'{"op_code":0,"worker_id":"w","study_name":["t"],"directions":[1]}\n',
    "state": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":9,"values":null}\n',
    "values of another number": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":1,"values":[1.0],'
    b'"datetime_complete":"2026-01-01T00:00:00"}\n',
    "NaN": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":1,"values":[1.0,NaN],'
    b'"datetime_complete":"2026-01-01T00:00:00"}\n',
    "huge value": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":1,"values":[1.0,1' + b"0" * 400 + b"],"
    b'"datetime_complete":"2026-01-01T00:00:00"}\n',
    "value as text": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":1,"values":[1.0,"2"],'
    b'"datetime_complete":"2026-01-01T00:00:00"}\n',
    "no time": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":1,"values":[1.0,2.0]}\n',
    "time": b'{"op_code":6,"worker_id":"w","trial_id":4,"state":1,"values":[1.0,2.0],"datetime_complete":"x"}\n',
    "distribution": b'{"op_code":5,"worker_id":"w","trial_id":4,"param_name":"c","param_value_internal":1,'
    b'"distribution":"{}"}\n',
    "beyond its distribution": b'{"op_code":5,"worker_id":"w","trial_id":4,"param_name":"c",'
    b'"param_value_internal":-1,"distribution":"{\\"name\\":\\"CategoricalDistribution\\",\\"attributes\\":'
    b'{\\"choices\\":[1,2]}}"}\n',
    "step": b'{"op_code":7,"worker_id":"w","trial_id":4,"step":1.5,"intermediate_value":1}\n',
    "trial": b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"state":1,"value":1,"values":[1,2]}\n',
    "parameters": b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"params":{"a":1}}\n',
    "misspelt": b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null,"user_atrs":{}}\n',
}
